"""The measurement of indexing, on a pool of a few files."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks import index_scale
from semdd_lightning.pools import ClassFolders, TarShards


def test_the_files_are_images_that_all_differ(tmp_path: Path) -> None:
    index_scale.write_pool(tmp_path / "pool", files=25, folders=3, size=20)
    pool = ClassFolders(tmp_path / "pool").read()
    assert pool.counts().tolist() == [9, 8, 8]
    assert pool.excluded == ()
    assert set(pool.traits.widths.tolist()) == {20}
    assert [path.name for path in tmp_path.iterdir() if path.name != "default-cache"] == ["pool"]


def test_it_measures_the_first_index_and_the_cached_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr("semdd_lightning.pools.index_cache._RECENT_NS", 0)
    monkeypatch.setattr(
        index_scale, "in_a_process", lambda measured, *args: measured(*args)
    )  # a process takes seconds
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["index_scale", "--files", "12", "--folders", "3", "--json", str(out)])
    index_scale.main()
    record = json.loads(out.read_text())
    assert record["first"]["files"] == record["again"]["files"] == 12
    assert record["first"]["fingerprint"] == record["again"]["fingerprint"]
    assert "12 files" in capsys.readouterr().out


def test_it_measures_the_listing_of_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(index_scale, "in_a_process", lambda measured, *args: measured(*args))
    out, pool = tmp_path / "out.json", tmp_path / "pool"
    words = ["--files", "12", "--folders", "3", "--tars", "2", "--pool", str(pool), "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["index_scale", *words])
    index_scale.main()
    assert json.loads(out.read_text())["listed"]["samples"] == 12
    assert [file.name for file in sorted(pool.iterdir())] == ["train-000000.tar", "train-000001.tar"]
    assert TarShards(pool).listing().labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert "12 samples in 2 tars" in capsys.readouterr().out
