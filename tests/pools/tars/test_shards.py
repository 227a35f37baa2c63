from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.tar_shards import (
    _expand_braces,
    find_shards,
    inside_tar,
    require_counts,
    shard_name,
    stated_class_names,
)

PIECES = st.sampled_from(
    ["a", "x-", "{0..3}", "{08..11}", "{5..2}", "{000..002}", "{a,b}", "{,c{1..2}}", "{x}"]
)


@pytest.mark.skipif(shutil.which("bash") is None, reason="compares with what bash makes of the pattern")
@settings(max_examples=15, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=4).map("".join))
def test_braces_stand_for_what_they_stand_for_in_a_shell(pattern: str) -> None:
    spelt_out = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' .{pattern}"],  # noqa: S607 - the shell that is there
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(_expand_braces(f".{pattern}")) == set(spelt_out.stdout.splitlines())


def test_every_name_of_a_long_range_once_and_in_order() -> None:
    names = _expand_braces("shards/train-{000000..000146}.tar")
    assert names == [f"shards/train-{shard:06d}.tar" for shard in range(147)]
    assert _expand_braces("no braces.tar") == ["no braces.tar"]
    assert _expand_braces("{0..1..2}{x}.tar") == ["{0..1..2}{x}.tar"]


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_a_file_a_folder_and_a_pattern(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "shards", "t-1.tar", "t-0.TAR", ".t-2.tar", "sizes.json", "t-10.tar")
    shards = (folder / "t-0.TAR", folder / "t-1.tar", folder / "t-10.tar")
    assert find_shards(folder) == (folder, shards)
    assert find_shards(folder / "t-1.tar") == (folder / "t-1.tar", (folder / "t-1.tar",))
    assert find_shards(folder / "t-{1,10}.tar") == (folder, shards[1:])


def test_a_relative_pattern_over_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path, "a/0.tar", "b/0.tar")
    monkeypatch.chdir(tmp_path)
    root, shards = find_shards(Path("{a,b}/0.tar"))
    assert root == tmp_path
    assert [shard_name(root, shard) for shard in shards] == ["a/0", "b/0"]


def test_a_name_with_braces_of_its_own_is_no_pattern(tmp_path: Path) -> None:
    file = _touch(tmp_path, "{a,b}.tar") / "{a,b}.tar"
    assert find_shards(file) == (file, (file,))


def test_missing_shards_are_named(tmp_path: Path) -> None:
    _touch(tmp_path, "t-0.tar", "t-2.tar")
    with pytest.raises(
        PoolError, match=r"the 7 shards .* found 2; missing are .*t-1\.tar'.* and 2 more; copy"
    ):
        find_shards(tmp_path / "t-{0..6}.tar")
    with pytest.raises(PoolError, match="found nothing there"):
        find_shards(tmp_path / "t-1.tar")


def test_folders_without_shards(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PoolError, match="an empty folder"):
        find_shards(tmp_path / "empty")
    with pytest.raises(PoolError, match=r"found none \('a\.png'\)"):
        find_shards(_touch(tmp_path / "images", "a.png"))


def test_compressed_shards_are_not_passed_over(tmp_path: Path) -> None:
    folder = _touch(tmp_path, "t-0.tar", "t-0.tar.gz", "t-1.tar")
    assert len(find_shards(folder)[1]) == 2
    _touch(folder, "t-2.tar.gz")
    with pytest.raises(PoolError, match=r"t-2\.tar\.gz to be an uncompressed tar.* decompress it first"):
        find_shards(folder)


@pytest.mark.parametrize("other", ["val-0.tar", "imagenet_test_0.tar", "x.validation.tar"])
def test_a_folder_of_several_splits_is_not_one_pool(tmp_path: Path, other: str) -> None:
    folder = _touch(tmp_path, "train-0.tar", "train-1.tar", "strain-0.tar", "latest-0.tar")
    assert len(find_shards(folder)[1]) == 4
    _touch(folder, other)
    with pytest.raises(PoolError, match=r"shards of one split .* found those of .*; give a pattern of one"):
        find_shards(folder)


def test_a_path_that_goes_on_inside_a_tar_is_taken_apart(tmp_path: Path) -> None:
    tar = tmp_path / "pool.tar"
    tar.touch()
    assert inside_tar(tar / "made" / "ipc10") == (tar, "made/ipc10")
    assert inside_tar(tar) == (tar, None)
    assert inside_tar(tmp_path / "no.tar" / "ipc10") == (tmp_path / "no.tar" / "ipc10", None)


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
