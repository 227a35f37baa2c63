"""The measurement of indexing, on a pool of a few files."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks import index_scale
from benchmarks.index_scale import Cost
from semdd_lightning.pools import ClassFolders, TarShards


def test_the_files_are_images_that_all_differ(tmp_path: Path) -> None:
    index_scale.write_pool(tmp_path / "pool", files=25, folders=3, size=20)
    pool = ClassFolders(tmp_path / "pool").read()
    assert pool.counts().tolist() == [9, 8, 8]
    assert pool.excluded == ()
    assert set(pool.traits.widths.tolist()) == {20}
    assert [path.name for path in tmp_path.iterdir() if path.name != ".default-cache"] == ["pool"]


@pytest.fixture
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own takes seconds, and so does waiting until files are old."""
    monkeypatch.setattr(index_scale, "in_a_process", lambda measured, *args: measured(*args))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr("semdd_lightning.pools.index_cache._RECENT_NS", 0)


@pytest.mark.usefixtures("_in_this_process")
def test_it_measures_the_first_index_and_the_cached_one(tmp_path: Path) -> None:
    result = index_scale.measure_index(tmp_path, files=12, folders=3, size=20)
    assert list(result.seconds) == ["first index", "cached index"]
    assert result.figures["first index, columns, MiB"] == result.figures["cached index, columns, MiB"] > 0


@pytest.mark.usefixtures("_in_this_process")
def test_another_cached_index_is_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = iter([Cost(1.0, {}, "one"), Cost(1.0, {}, "another")])
    monkeypatch.setattr(index_scale, "index", lambda *_: next(costs))
    with pytest.raises(RuntimeError, match="Expected the cached index to be the first one"):
        index_scale.measure_index(tmp_path, files=3, folders=3, size=20)


@pytest.mark.usefixtures("_in_this_process")
def test_it_measures_the_listing_of_shards(tmp_path: Path) -> None:
    result = index_scale.measure_listing(tmp_path, samples=12, classes=3, shards=2)
    assert result.figures["listing, samples found"] == 12
    pool = tmp_path / "pool"
    assert [file.name for file in sorted(pool.iterdir())] == ["train-000000.tar", "train-000001.tar"]
    assert TarShards(pool).listing().labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
