from __future__ import annotations

import json
from pathlib import Path

import pytest

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.tars.counts import require_counts, stated_class_names


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    return [tmp_path / f"t-{shard}.tar" for shard in range(4)]


def test_nothing_stated_and_all_right(shards: list[Path]) -> None:
    require_counts(shards, [5, 5, 5, 2], None)
    require_counts(shards, [5, 5, 5, 2], 17)


def test_the_total_names_the_shards_that_differ(shards: list[Path]) -> None:
    with pytest.raises(
        PoolError, match=r"Expected 20 samples, found 17 in 4 shards: most hold 5, but t-3\.tar holds 2"
    ):
        require_counts(shards, [5, 5, 5, 2], 20)
    with pytest.raises(PoolError, match=r"Expected 21 samples, found 20 in 4 shards: each holds 5"):
        require_counts(shards, [5, 5, 5, 5], 21)


def test_sizes_beside_the_shards(shards: list[Path]) -> None:
    sizes = {shard.name: 5 for shard in shards} | {"t-9.tar": 5, "comment": "made by hand"}
    (shards[0].parent / "sizes.json").write_text(json.dumps(sizes))
    require_counts(shards, [5, 5, 5, 5], None)
    with pytest.raises(
        PoolError, match=r"in 2 of 4: .*t-1\.tar holds 4 instead of the 5 of sizes\.json; .*t-3"
    ):
        require_counts(shards, [5, 4, 5, 2], None)


def test_shard_lengths_of_the_split(shards: list[Path]) -> None:
    names = [shard.name for shard in shards]
    split = {"name": "train", "num_samples": 17, "filenames": names, "shard_lengths": [5, 5, 5, 2]}
    (shards[0].parent / "_info.json").write_text(json.dumps({"splits": {"train": split, "odd": None}}))
    require_counts(shards, [5, 5, 5, 2], None)
    with pytest.raises(PoolError, match=r"t-3\.tar holds 1 instead of the 2 of _info\.json; copy them again"):
        require_counts(shards, [5, 5, 5, 1], None)


@pytest.mark.parametrize("content", ["[]", "{}", '{"splits": 3}', '{"splits": {"train": {"filenames": 3}}}'])
def test_files_that_state_nothing(shards: list[Path], content: str) -> None:
    for name in ("sizes.json", "_info.json"):
        (shards[0].parent / name).write_text(content)
    require_counts(shards, [1, 2, 3, 4], None)


def test_a_broken_statement(shards: list[Path]) -> None:
    (shards[0].parent / "sizes.json").write_text("{")
    with pytest.raises(PoolError, match=r"sizes\.json to be JSON that counts the samples"):
        require_counts(shards, [1, 2, 3, 4], None)


def test_class_names(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    shards = [folder / "t.tar" for folder in folders]
    assert stated_class_names(shards) is None
    for folder, names in zip(folders, (["cat", "dog"], ["dog", "cat"]), strict=True):
        (folder / "_info.json").write_text(json.dumps({"class_names": names}))
    assert stated_class_names(shards[:1]) == ("cat", "dog")
    assert stated_class_names(shards) is None, "they do not say the same"
    for nothing in (3, [], [1], ["cat", ""]):
        (folders[0] / "_info.json").write_text(json.dumps({"class_names": nothing}))
        assert stated_class_names(shards[:1]) is None
