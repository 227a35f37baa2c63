"""Which columns are taken for images and labels, and tables and metadata that have none."""

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
    write_table,
)


def test_texts_wnids_and_categories_are_labels(tmp_path: Path) -> None:
    wnids = [f"n0000000{label}" for label in LABELS]
    table = pa.table(
        {"jpg": IMAGES, "caption": list("abcdefgh"), "class": pa.array(wnids).dictionary_encode()}
    )
    reader = ParquetImages(write_table(tmp_path / "f.parquet", table))
    assert reader.resolve().classes.wnids == ("n00000000", "n00000001", "n00000002")
    assert reader.listing().labels.tolist() == sorted(LABELS)
    assert reader.listing().paths[0] == "n00000000/f-1.png"
    assert ParquetImages(reader.path, label_column="caption").registry().names == tuple("abcdefgh")


def test_the_only_column_of_a_fit_type_holds_the_labels(tmp_path: Path) -> None:
    table = pa.table({"pixels": IMAGES, "target": pa.array([float(label) for label in LABELS])})
    assert ParquetImages(write_table(tmp_path / "f.parquet", table)).registry().names == ("0", "1", "2")


def _columns(**columns: list[Any]) -> pa.Table:
    return pa.table({"image": IMAGES[:2], **columns})


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (
            pa.table({"label": [0]}),
            {},
            r"column of images in .*, found label \(int64\); name one as image_column",
        ),
        (_columns(other=IMAGES[:2], label=[0, 1]), {}, "one column of images in .*, found 'image', 'other'"),
        (_columns(), {}, r"column of labels in .*, found image \(binary\); name one as label_column"),
        (_columns(width=[6, 6], height=[5, 5]), {}, "one column of labels in .*, found 'width', 'height'"),
        (_columns(label=[0, 1], category=["a", "b"]), {}, "one column of labels in .*'label', 'category'"),
        (
            pa.table([IMAGES[:2], [0, 1], ["a", "b"]], names=["image", "label", "label"]),
            {},
            "one column of labels in .*, found 'label', 'label'; rename one of them",
        ),
        (_columns(label=[[0], [1]]), {}, r"column of labels in .*label \(list<"),
        (_columns(label=[0, 1]), {"image_column": "img"}, "column 'img' of images in .*correct the name"),
        (_columns(label=[0, 1]), {"image_column": "label"}, "column 'label' of images in"),
        (_columns(label=[0, 1]), {"label_column": "image"}, "column 'image' of labels in"),
        (_columns(label=[0, -2]), {}, r"labels from 0 on in column 'label' of .*, found -2"),
        (_columns(label=[0, 0.5]), {}, "whole numbers as labels in .*, found 0.5"),
        (_columns(label=pa.nulls(2, pa.int64())), {}, "Expected labels in .*, found none in 2 rows"),
        (_columns(label=[0, 1]).slice(0, 0), {}, "Expected labels in .*, found none in 0 rows"),
        (hub_table(hub_images(IMAGES), [3] * 8), {}, "labels from 0 to 2 in .*, found 3"),
        (hub_table(hub_images(IMAGES), [-1] * 8), {}, "found none in 8 rows; this split may have none"),
    ],
)
def test_tables_that_are_no_pool(
    tmp_path: Path, table: pa.Table, options: dict[str, str], message: str
) -> None:
    path = write_table(tmp_path / "f.parquet", table)
    with pytest.raises(PoolError, match=message):
        ParquetImages(path, **options).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{", "JSON of features"),
        ("[]", "JSON of features"),
        (
            '{"info": {"features": {"label": {"_type": "ClassLabel", "names": "ab"}}}}',
            "class names for column 'label'",
        ),
        (
            '{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a", ""]}}}}',
            "class names for column",
        ),
    ],
)
def test_metadata_that_are_malformed(tmp_path: Path, metadata: str, message: str) -> None:
    table = hub_table(hub_images(IMAGES), LABELS).replace_schema_metadata({"huggingface": metadata})
    with pytest.raises(PoolError, match=message):
        ParquetImages(write_table(tmp_path / "f.parquet", table)).check()
