from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semdd_lightning.errors import PoolError
from semdd_lightning.pools import AnyPool
from semdd_lightning.pools.inspection import inspect_pool
from tests.layout_makers import MAKERS, NUM_CLASSES, PER_CLASS, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three classes of three good images each, and one of every fault."""
    root = MAKERS["class_folders"](tmp_path / "pool").path
    write(root / "tench/extra.jpg", 2, 9)
    Image.new("RGB", (20, 10), (250, 250, 250)).save(root / "tench/white.png")
    (root / "cassette_player/2.png").write_bytes(b"<html>")
    shutil.copy(root / "tench/0.png", root / "tench/copy of 0.png")
    shutil.copy(root / "tench/1.png", root / "English springer/tench.png")
    return root


def test_everything_is_counted(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is counted is not warned of too
        found = inspect_pool(AnyPool(root))
    assert found.layout == "class_folders"
    assert (found.path, found.begins_in) == (str(root), str(root))
    assert found.reader == "semdd_lightning.pools.ClassFolders"
    assert found.class_names == found.class_folders == ("English springer", "cassette_player", "tench")
    assert found.images_per_class == (4, 2, 5)
    assert found.short_classes == {"cassette_player": 2}
    assert found.image_sizes == {"32 x 32": 10, "20 x 10": 1}
    assert found.formats == {".png": 12, ".jpg": 1}
    assert found.unreadable == {"cassette_player/2.png": "unreadable: no known image format"}
    assert found.duplicates == {"tench/copy of 0.png": "tench/0.png"}
    assert found.in_several_classes == 1
    assert found.near_constant == ("tench/white.png",)
    assert found.bytes == sum(file.stat().st_size for file in root.rglob("*") if file.is_file())


@pytest.mark.filterwarnings("ignore:Expected images to show", "ignore:Expected every image in one class")
def test_the_numbers_are_those_of_the_pool(root: Path) -> None:
    pool = AnyPool(root).read()
    found = inspect_pool(AnyPool(root))
    assert found.fingerprint == pool.fingerprint
    assert found.images_per_class == tuple(pool.counts())
    assert len(found.unreadable) + len(found.duplicates) == len(pool.excluded)


@pytest.mark.parametrize("layout", ["tar", "npz", "parquet"])
def test_images_that_share_a_file_count_its_bytes_once(layout: str, tmp_path: Path) -> None:
    made = MAKERS[layout](tmp_path / "pool")
    found = inspect_pool(AnyPool(made.path))
    files = [file for file in (tmp_path / "pool").rglob("*") if file.is_file()]
    assert found.bytes == sum(file.stat().st_size for file in files)
    assert found.images_per_class == (PER_CLASS,) * NUM_CLASSES
    assert found.short_classes == {}


def test_a_wrapper_is_told_from_the_pool(tmp_path: Path) -> None:
    made = MAKERS["coda"](tmp_path / "pool")
    found = inspect_pool(AnyPool(made.path))
    assert (found.path, found.begins_in) == (str(made.path), str(made.path / "generated_images"))


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/1.png").write_bytes(np.zeros(9, np.uint8).tobytes())
    with pytest.raises(PoolError, match="Expected readable images"):
        inspect_pool(AnyPool(tmp_path))
