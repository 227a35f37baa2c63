"""Which files and rows of a data set are read, under which names, and files that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.parquet import ParquetImages
from tests.pools.table_makers import (
    IMAGES,
    LABELS,
    hub_images,
    hub_table,
    image_bytes,
    write_table,
)


def test_splits_are_not_mixed(hub: Path) -> None:
    with pytest.raises(
        PoolError, match=r"one split in .*hub, found 'test', 'train'; name one of them as split"
    ):
        ParquetImages(hub).check()
    with pytest.raises(PoolError, match=r"files of split 'validation' .* found 'test', 'train'"):
        ParquetImages(hub, split="validation").check()
    assert len(ParquetImages(hub, split="test").listing()) == 3
    for path in (hub / "data/train-*.parquet", hub / "d*/train-0000[01]-of-*"):
        assert len(ParquetImages(path).listing()) == 8
    assert len(ParquetImages(hub / "data/test-00000-of-00001.parquet").listing()) == 3
    write_table(hub / "data/trainer.parquet", hub_table(hub_images(IMAGES), LABELS))
    assert len(ParquetImages(hub, split="train").listing()) == 8
    assert len(ParquetImages(hub, split="trainer").listing()) == 8
    (hub / "default/train").mkdir(parents=True)
    (hub / "data/test-00000-of-00001.parquet").rename(hub / "default/train/0000.parquet")
    assert len(ParquetImages(hub / "default").listing()) == 3
    assert len(ParquetImages(hub, split="train").listing()) == 11


def test_each_file_may_have_a_dictionary_of_its_own(tmp_path: Path) -> None:
    for part, labels in enumerate((["b", "a"], ["c", "a"])):
        column = pa.array(labels).dictionary_encode()
        write_table(
            tmp_path / f"{part}.parquet", pa.table({"png": IMAGES[2 * part : 2 * part + 2], "label": column})
        )
    listing = ParquetImages(tmp_path).listing()
    assert list(listing.paths) == ["a/0-1.png", "a/1-1.png", "b/0-0.png", "c/1-0.png"]


def test_suffixes_are_those_of_the_images(tmp_path: Path) -> None:
    images: list[dict[str, Any]] = [
        {"bytes": image_bytes(0, "jpg"), "path": "a.JPEG"},
        {"bytes": image_bytes(1, "jpg"), "path": None},
        {"bytes": image_bytes(2, "webp"), "path": "b.webp"},
        {"bytes": image_bytes(3, "jpg"), "path": "c.exe"},
    ]
    write_table(tmp_path / "f.parquet", hub_table(images, [0, 0, 1, 2]))
    names = [Path(path).name for path in ParquetImages(tmp_path / "f.parquet").listing().paths]
    assert names == ["f-0.jpeg", "f-1.jpg", "f-3.jpg", "f-2.webp"]
    for suffix in ("png", "gif", "bmp", "webp"):
        write_table(tmp_path / "g.parquet", pa.table({"image": [image_bytes(0, suffix)], "label": [0]}))
        assert ParquetImages(tmp_path / "g.parquet").listing().paths[0] == f"0/g-0.{suffix}"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_files_that_were_cut_off(hub: Path, share: float) -> None:
    path = hub / "data/train-00001-of-00002.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        PoolError, match=r"whole Parquet file at .*00001-of-00002\.parquet, found: .*; copy or"
    ):
        ParquetImages(hub, split="train").check()


def test_paths_without_parquet_files(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/f.parquet").touch()
    for path in (tmp_path, tmp_path / "none", tmp_path / "none.parquet", tmp_path / "no/*.parquet"):
        with pytest.raises(PoolError, match=r"Expected Parquet files at .*, found none"):
            ParquetImages(path).check()
