"""Pools in Parquet files, as the Hugging Face hub keeps them: encoded images and labels in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.stamps import file_stamp
from semdd_lightning.pools.stated_images import Located, StatedImages
from semdd_lightning.pools.stated_labels import labels_from_column
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.tables.columns import class_names, image_column, label_column
from semdd_lightning.pools.tables.parquet_shards import ShardRows, find_shards, read_schema, read_shard
from semdd_lightning.pools.tables.parquet_source import ParquetSource, stamp_with_file, warn_of_rereading


@dataclass(frozen=True)
class ParquetImages(DiskPool):
    """A pool in Parquet files: a column of encoded images and a column of labels, one row an image.

    The image of a row is bytes, or a path relative to the file. Labels are class indices, with their names
    where the file's Hugging Face metadata has them, or names. An image's class folder is the name of its
    label, or its number where the names are not all fit for folders.

    Args:
        path: A ``.parquet`` file, a folder of them, or a pattern as ``data/train-*.parquet``.
        image_column: Name of the column of images; by default the one column that holds bytes.
        label_column: Name of the column of labels; by default the one that the metadata calls a class, else
            the one of a usual name, else the only one of numbers or texts.
        split: Split to read where there are several: what file names begin with, or a folder, as `train`.
    """

    image_column: str | None = None
    label_column: str | None = None
    split: str | None = None

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The labels of all rows; without a class list the metadata's classes, else the labels that occur."""
        place = self._place()
        folder, files = find_shards(place, self.split)
        schemas = [read_schema(file) for file in files]
        image = image_column(schemas[0], self.image_column, files[0])
        label = label_column(schemas[0], self.label_column, files[0], by_type=True)
        names = class_names(schemas[0], label, files[0])
        for file, schema in zip(files, schemas, strict=True):
            _require_alike(file, schema, files[0], schemas[0], (image, label))
        parts = [read_shard(file, image, label, folder) for file in files]
        column = pa.chunked_array([c for part in parts for c in part.labels.chunks], parts[0].labels.type)
        stated = labels_from_column(column, f"column {label!r} of {place}", names)
        of_images = Strings.concatenated([part.names for part in parts])
        locate = partial(_locate, parts, image, Path(self.path))
        return StatedImages(place, stated, of_images, f"rows of {self.path}", locate).found(
            self._class_list(default)
        )

    def _place(self) -> Path:
        """The absolute path or pattern."""
        return Path(self.path).expanduser().absolute()


def _locate(parts: Sequence[ShardRows], image: str, place: Path, rows: NDArray[np.int64]) -> Located:
    """Where the images of rows are, the files' rows counted one after the other."""
    shards = tuple(part.shard for part in parts)
    lengths = [len(shard) for shard in shards]
    shard_of = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[rows]
    row_of = np.concatenate([np.arange(length) for length in lengths])[rows]
    warn_of_rereading(shards, shard_of, row_of, place)
    stamps = np.stack([file_stamp(shard.path) for shard in shards])[shard_of]
    for number, part in enumerate(parts):
        if part.beside is not None:
            for row in np.flatnonzero(shard_of == number):
                stamps[row] = stamp_with_file(stamps[row], part.shard, part.beside[int(row_of[row])])
    return stamps, ParquetSource(shards, image, shard_of, row_of), {}


def _require_alike(
    file: Path, schema: pa.Schema, first_file: Path, first: pa.Schema, columns: tuple[str, str]
) -> None:
    """Refuse files that do not belong together; most often they are two data sets in one folder."""
    for column in columns:
        there = schema.get_field_index(column) >= 0
        same_type = there and _plain(schema.field(column).type) == _plain(first.field(column).type)
        same_names = class_names(schema, column, file) == class_names(first, column, first_file)
        if not (same_type and same_names):
            msg = (
                f"Expected column {column!r} in {file} as in {first_file}, found another type or other "
                "classes; give the files of one data set, by a folder or pattern of their own."
            )
            raise PoolError(msg)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
