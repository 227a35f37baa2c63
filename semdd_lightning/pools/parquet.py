"""Pools in Parquet files, as the Hugging Face hub keeps them: encoded images and labels in columns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.names import warn
from semdd_lightning.pools.files import relative_name
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import ImageSource, file_stamp
from semdd_lightning.pools.parquet_shards import (
    ShardRows,
    arrow_file,
    find_shards,
    read_schema,
    read_shard,
)
from semdd_lightning.pools.stated_labels import Located, labels_from_column
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.table_columns import class_names, image_column, label_column

_KEPT = 256 * 2**20  # bytes of images kept in memory by each process
_MANY_TIMES = 4  # that each row group is read, on average, in path order


@dataclass(frozen=True)
class ParquetImages(DiskPool):
    """A pool in Parquet files: a column of encoded images and a column of labels, one row per image.

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
        place = Path(self.path).expanduser().absolute()
        folder, files = find_shards(place, self.split)
        schemas = [read_schema(file) for file in files]
        image = image_column(schemas[0], self.image_column, files[0])
        label = label_column(schemas[0], self.label_column, files[0], by_type=True)
        names = class_names(schemas[0], label, files[0])
        for file, schema in zip(files, schemas, strict=True):
            for column in (image, label):
                _require_alike(column, file, schema, files[0], schemas[0])
        parts = [read_shard(file, image, label, folder) for file in files]
        column = pa.chunked_array([c for part in parts for c in part.labels.chunks], parts[0].labels.type)
        stated = labels_from_column(column, f"column {label!r} of {place}", names)
        of_images = Strings.concatenated([part.names for part in parts])
        locate = partial(_locate, parts, image, Path(self.path))
        return stated.found(place, of_images, f"rows of {self.path}", locate, self._class_list(default))


def _locate(parts: Sequence[ShardRows], image: str, place: Path, rows: NDArray[np.int64]) -> Located:
    """Where the images of rows are, the files' rows counted one after the other."""
    groups = tuple((part.path, group) for part in parts for group in range(len(part.lengths)))
    starts = np.cumsum([0, *(length for part in parts for length in part.lengths)], dtype=np.int64)
    source = ParquetSource(groups, starts, image, rows)
    _warn_of_rereading(sum(part.size for part in parts), source.group_of(rows), len(groups), place)
    file_of = np.repeat(np.arange(len(parts)), [len(part.names) for part in parts])[rows]
    stamps = np.stack([file_stamp(part.path) for part in parts])[file_of]
    beside = Strings.concatenated([part.beside for part in parts]).take(rows)
    for row in np.flatnonzero(pc.not_equal(beside.column, "").to_numpy(zero_copy_only=False)).tolist():
        with suppress(OSError):  # what is wrong is said where the image is read
            size, *times = file_stamp(_beside(parts[file_of[row]].path, beside[row]))
            stamps[row] = (stamps[row, 0] + size, *np.maximum(stamps[row, 1:], times))  # of either file
    return stamps, source, {}


def _require_alike(column: str, file: Path, schema: pa.Schema, first_file: Path, first: pa.Schema) -> None:
    """Refuse files that do not belong together; most often they are two data sets in one folder."""
    types = [one.field(column).type if one.get_field_index(column) >= 0 else None for one in (schema, first)]
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in types if kind is not None]
    same_names = class_names(schema, column, file) == class_names(first, column, first_file)
    if len(plain) < 2 or plain[0] != plain[1] or not same_names:
        msg = (
            f"Expected column {column!r} in {file} as in {first_file}, found another type or other classes; "
            "give the files of one data set, by a folder or pattern of their own."
        )
        raise PoolError(msg)


class ParquetSource(ImageSource):
    """Rows of Parquet files; each process keeps the row groups that it read last, up to 256 MiB of them.

    Args:
        groups: The file of each row group, and its number there.
        starts: First row of each row group, all files' rows counted one after the other, and the number of
            rows, shape ``(G + 1,)``.
        image: Name of the column of images.
        rows: Which of these rows each row of the listing is, shape ``(N,)``.
    """

    def __init__(
        self,
        groups: tuple[tuple[Path, int], ...],
        starts: NDArray[np.int64],
        image: str,
        rows: NDArray[np.int64],
    ) -> None:
        self._groups, self._starts, self._image, self._rows = groups, starts, image, rows
        self._kept: OrderedDict[int, pa.ChunkedArray] = OrderedDict()  # the last read at the end
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return ParquetSource, (self._groups, self._starts, self._image, self._rows)

    def group_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row group of each row, shape as theirs."""
        return np.searchsorted(self._starts, rows, side="right") - 1

    def recipe(self) -> str:
        """The column of images."""
        return f"{super().recipe()}, column {self._image}"

    def read(self, row: int) -> bytes:
        """An image as it is stored.

        Raises:
            OSError: If the row holds none, or its file is damaged or gone.
        """
        group = int(self.group_of(self._rows[row]))
        entry = self._kept_group(group)[int(self._rows[row] - self._starts[group])].as_py()
        content, path = (entry.get("bytes"), entry.get("path")) if isinstance(entry, dict) else (entry, None)
        if content is None and path:
            return _beside(self._groups[group][0], path).read_bytes()
        if content is None:
            msg = "no image in this row"
            raise OSError(msg)
        return bytes(content)

    def _kept_group(self, group: int) -> pa.ChunkedArray:
        with self._lock:
            if group not in self._kept:
                self._kept[group] = self._load(group)
                while len(self._kept) > 1 and sum(images.nbytes for images in self._kept.values()) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(group)
            return self._kept[group]

    def _load(self, group: int) -> pa.ChunkedArray:
        path, number = self._groups[group]
        try:
            with arrow_file(path) as opened, pq.ParquetFile(opened) as parquet:
                images = parquet.read_row_group(number, columns=[self._image]).column(0)
        except (pa.ArrowException, IndexError) as error:
            msg = f"row group {number} is damaged: {str(error).splitlines()[0]}"
            raise OSError(msg) from error
        if len(images) != self._starts[group + 1] - self._starts[group]:
            msg = "the file has changed"
            raise OSError(msg)
        return images


def _warn_of_rereading(size: int, group_of: NDArray[np.int64], num_groups: int, place: Path) -> None:
    """Say so where reading a pool in path order, class by class, reads its row groups again and again."""
    times = (1 + np.count_nonzero(np.diff(group_of))) / max(num_groups, 1)
    if size > _KEPT and times > _MANY_TIMES:
        warn(
            f"Expected the images of a class to lie together in {place}, found them mixed: each part of the "
            f"{size / 2**30:.1f} GiB will be read about {times:.0f} times. Sort the rows by label, or unpack "
            "the images into class folders, to have them read once.",
            stacklevel=3,
        )


def _beside(file: Path, path: str) -> Path:
    try:
        image = file.parent / relative_name(path)
    except ValueError as error:
        raise OSError(str(error)) from error
    if not image.is_file():
        msg = f"no file {path}"
        raise OSError(msg)
    return image
