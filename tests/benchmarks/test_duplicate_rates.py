"""The measurement of near duplicates, on a few pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import duplicate_rates
from semdd_lightning.pools import ClassFolders


def write_pictures(root: Path, seeds: range) -> None:
    """Two classes of smooth noise, a file per seed."""
    for seed in seeds:
        grid = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        file = root / ("even", "odd")[seed % 2] / f"{seed}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grid).resize((32, 32), Image.Resampling.BICUBIC).save(file)


def test_copies_and_leaks_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "test", range(10))
    write_pictures(tmp_path / "pool", range(7, 27))
    out = tmp_path / "out.json"
    words = ["--pool", str(tmp_path / "pool"), "--test", str(tmp_path / "test"), "--images", "6"]
    monkeypatch.setattr(sys, "argv", ["duplicate_rates", *words, "--json", str(out)])
    duplicate_rates.main()
    record = json.loads(out.read_text())
    assert record["leaked"] == {
        "pool_images": 20,
        "test_images": 10,
        "leaked_pool_images": 3,
        "leaked_test_images": 3,
        "other_class": 0,
    }
    altered = {one["alteration"]: one for one in record["altered"]}
    assert altered.keys() == duplicate_rates.ALTERATIONS.keys()
    assert altered["mirrored"] == {"alteration": "mirrored", "copies": 6, "found": 6, "another": 0}
    assert "JPEG, quality 95" in capsys.readouterr().out


def test_a_copy_of_another_image_is_no_find(tmp_path: Path) -> None:
    write_pictures(tmp_path / "test", range(4))
    test = ClassFolders(tmp_path / "test").read(tmp_path / "cache")
    another = test.read(3)
    found = duplicate_rates.find_copies(test, np.array([0, 1]), "exchanged", lambda image: another)
    assert (found.copies, found.found, found.another) == (2, 0, 1)  # of equal files the pool keeps one
