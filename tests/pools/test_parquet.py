from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.parquet import ParquetImages
from tests.layout_makers import written_out
from tests.pools.table_makers import (
    EXPECTED,
    IMAGES,
    LABELS,
    NAMES,
    hub_images,
    hub_table,
    write_table,
)


def test_a_data_set_of_the_hub(hub: Path) -> None:
    reader = ParquetImages(hub, split="train")
    reader.check()
    assert reader.registry() == ClassRegistry(NAMES, NAMES)
    listing = reader.listing()
    assert listing.root == hub
    found = {
        path: (int(listing.labels[row]), listing.source.read(row)) for row, path in enumerate(listing.paths)
    }
    assert found == EXPECTED
    assert list(listing.paths) == sorted(EXPECTED)
    size = (hub / "data/train-00001-of-00002.parquet").stat().st_size
    assert listing.stamps[3, 0] == size
    assert listing.source.file(0) is None


def test_reading_gives_the_same_pool_every_time(hub: Path) -> None:
    pool, again = ParquetImages(hub, split="train").read(), ParquetImages(hub, split="train").read()
    assert dict(zip(pool.paths, pool.labels.tolist(), strict=True)) == {
        path: label for path, (label, _) in EXPECTED.items()
    }
    assert (pool.fingerprint, pool.paths) == (again.fingerprint, again.paths)
    assert [pool.read(i) for i in range(len(pool))] == [EXPECTED[path][1] for path in pool.paths]


def test_exported_images_lie_in_class_folders(hub: Path, tmp_path: Path) -> None:
    pool = ParquetImages(hub, split="train").read()
    exported = ClassFolders(written_out(pool, tmp_path / "images"), class_names=NAMES).read()
    assert exported.fingerprint == pool.fingerprint
    assert exported.labels.tolist() == pool.labels.tolist()


def test_a_class_list_maps_names_and_numbers(tmp_path: Path) -> None:
    named = write_table(tmp_path / "named.parquet", hub_table(hub_images(IMAGES), LABELS))
    reader = ParquetImages(named, class_names=("Cat", "Great_White_Shark", "airplane"))
    assert reader.registry().folders == ("cat", "great white shark", "airplane")
    assert dict(zip(reader.listing().paths, reader.listing().labels.tolist(), strict=True)) == {
        f"{NAMES[label]}/named-{row}.png": 2 - label for row, label in enumerate(LABELS)
    }
    with pytest.raises(
        ClassListError, match=r"The labels in column 'label' of .*folders that are no class: 'cat'"
    ):
        ParquetImages(named, class_names=("dog", "great white shark", "airplane")).check()

    bare = write_table(tmp_path / "bare.parquet", hub_table(hub_images(IMAGES), LABELS, None))
    default = ClassRegistry(("x", "y", "z"), ("x", "y", "z"))
    assert ParquetImages(bare).registry() == ClassRegistry(("0", "1", "2"), ("0", "1", "2"))
    assert ParquetImages(bare).registry(default) == ClassRegistry(("x", "y", "z"), ("0", "1", "2"))
    with pytest.raises(ClassListError, match=r"labels from 0 to 1 .* found '2'"):
        ParquetImages(bare, class_names=("x", "y")).check()


def test_names_that_are_no_folders_give_numbered_folders(tmp_path: Path) -> None:
    names = ("cat/lynx", "dog", "Dog")
    reader = ParquetImages(write_table(tmp_path / "f.parquet", hub_table(hub_images(IMAGES), LABELS, names)))
    assert reader.registry().names == names
    assert reader.registry().folders == ("0", "1", "2")
    assert reader.listing().paths[0] == "0/f-1.png"
    assert reader.listing().labels.tolist() == sorted(LABELS)


def test_classes_of_the_metadata_that_do_not_occur(tmp_path: Path) -> None:
    path = write_table(tmp_path / "f.parquet", hub_table(hub_images(IMAGES), [0, 2] * 4))
    with pytest.raises(ClassListError, match=r"images of all 3 classes .* none labelled 'great white shark'"):
        ParquetImages(path).check()
    assert ParquetImages(path, class_names=("cat", "airplane")).registry().folders == ("cat", "airplane")


def test_rows_without_an_image_are_excluded(tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/there.png").write_bytes(IMAGES[7])
    (tmp_path / "secret.png").write_bytes(IMAGES[6])
    images: list[dict[str, Any] | None] = [
        *hub_images(IMAGES[:3]),
        None,
        {"bytes": None, "path": None},
        {"bytes": b"", "path": None},
        {"bytes": b"<html></html>", "path": "x.png"},
        {"bytes": None, "path": "there.png"},
        {"bytes": None, "path": "not-there.png"},
        {"bytes": None, "path": "../secret.png"},
        {"bytes": None, "path": str(tmp_path / "secret.png")},
    ]
    labels = [0, 1, 2, *[0] * 8]
    reader = ParquetImages(write_table(tmp_path / "beside/f.parquet", hub_table(images, labels)))
    pool = reader.read()
    assert {image.path.rpartition("-")[2]: image.reason for image in pool.excluded} == {
        "03.png": "unreadable: no image in this row",
        "04.png": "unreadable: no image in this row",
        "05.png": "unreadable: empty file",
        "06.png": "unreadable: no known image format",
        "08.png": "unreadable: no file not-there.png",
        "09.png": "unreadable: Expected a file name inside the folder, found '../secret.png'",
        "10.png": f"unreadable: Expected a file name inside the folder, found '{tmp_path}/secret.png'",
    }
    assert {image.class_index for image in pool.excluded} == {0}
    assert pool.read(list(pool.paths).index("airplane/f-07.png")) == IMAGES[7]


def test_rows_without_a_label_are_ignored_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels: list[int | None] = [0, 1, 2, None, -1, 0, 1, 2]
    reader = ParquetImages(write_table(tmp_path / "f.parquet", hub_table(hub_images(IMAGES), labels)))
    with caplog.at_level(logging.WARNING):
        listing = reader.listing()
    assert sorted(path[-5] for path in listing.paths) == list("012567")
    assert "2 rows of" in caplog.text
    assert "have no label and are ignored" in caplog.text
    texts = pa.table({"image": IMAGES[:3], "label": ["a", "", None]})
    assert list(ParquetImages(write_table(tmp_path / "t.parquet", texts)).listing().paths) == ["a/t-0.png"]


@pytest.mark.parametrize(
    "other",
    [
        hub_table(hub_images(IMAGES), LABELS, NAMES[::-1]),
        hub_table(hub_images(IMAGES), LABELS, None),
        pa.table({"image": IMAGES[:2], "label": [0, 1]}),
        pa.table({"image": hub_images(IMAGES[:2]), "kind": [0, 1]}),
    ],
)
def test_files_of_different_data_sets_are_not_mixed(tmp_path: Path, other: pa.Table) -> None:
    write_table(tmp_path / "a.parquet", hub_table(hub_images(IMAGES), LABELS))
    write_table(tmp_path / "b.parquet", other)
    with pytest.raises(
        PoolError, match=r"in .*b\.parquet as in .*a\.parquet, found another type or other classes"
    ):
        ParquetImages(tmp_path).check()
