"""Images out of Parquet files: a row group is read as a whole, so the last ones read are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from semdd_lightning.names import warn
from semdd_lightning.pools.listing import ImageSource
from semdd_lightning.pools.stamps import file_stamp
from semdd_lightning.pools.tables.arrow_file import arrow_file
from semdd_lightning.pools.tables.file_names import relative_name
from semdd_lightning.pools.tables.parquet_shards import Shard

_KEPT = 256 * 2**20  # bytes of images kept in memory by each process
_MANY_TIMES = 4  # that each row group is read, on average, in path order


class ParquetSource(ImageSource):
    """Rows of Parquet files; each process keeps the row groups that it read last, up to 256 MiB of them.

    Args:
        shards: The files.
        image: Name of the column of images.
        shard_of: File of each row of the listing, shape ``(N,)``.
        row_of: Row in its file of each row of the listing, shape ``(N,)``.
    """

    def __init__(
        self, shards: Sequence[Shard], image: str, shard_of: NDArray[np.int32], row_of: NDArray[np.int64]
    ) -> None:
        self._shards, self._image = tuple(shards), image
        self._shard_of, self._row_of = shard_of, row_of
        self._kept: OrderedDict[tuple[int, int], pa.ChunkedArray] = OrderedDict()  # the last read at the end
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return ParquetSource, (self._shards, self._image, self._shard_of, self._row_of)

    def recipe(self) -> str:
        """The column of images."""
        return f"{super().recipe()}, column {self._image}"

    def read(self, row: int) -> bytes:
        """An image as it is stored.

        Raises:
            OSError: If the row holds none, or its file is damaged or gone.
        """
        number = int(self._shard_of[row])
        shard, row_in_file = self._shards[number], int(self._row_of[row])
        group = int(np.searchsorted(shard.ends, row_in_file, side="right"))
        first = int(shard.ends[group - 1]) if group else 0
        entry = self._group(number, group)[row_in_file - first].as_py()
        content, path = (entry.get("bytes"), entry.get("path")) if isinstance(entry, dict) else (entry, None)
        if content is None and path:
            return _beside(shard, path).read_bytes()
        if content is None:
            msg = "no image in this row"
            raise OSError(msg)
        return bytes(content)

    def _group(self, number: int, group: int) -> pa.ChunkedArray:
        with self._lock:
            key = (number, group)
            if key not in self._kept:
                self._kept[key] = self._load(number, group)
                while len(self._kept) > 1 and sum(images.nbytes for images in self._kept.values()) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _load(self, number: int, group: int) -> pa.ChunkedArray:
        shard = self._shards[number]
        try:
            with arrow_file(shard.path) as opened, pq.ParquetFile(opened) as parquet:
                images = parquet.read_row_group(group, columns=[self._image]).column(0)
        except (pa.ArrowException, IndexError) as error:
            msg = f"row group {group} is damaged: {str(error).splitlines()[0]}"
            raise OSError(msg) from error
        if len(images) != int(shard.ends[group]) - (int(shard.ends[group - 1]) if group else 0):
            msg = "the file has changed"
            raise OSError(msg)
        return images


def warn_of_rereading(
    shards: Sequence[Shard], shard_of: NDArray[np.int32], row_of: NDArray[np.int64], place: Path
) -> None:
    """Say so where reading a pool in path order, class by class, reads its row groups again and again.

    Args:
        shards: The files.
        shard_of: File of each image in path order, shape ``(N,)``.
        row_of: Row in its file of each image, shape ``(N,)``.
        place: Where they lie, for the message.
    """
    size = sum(int(shard.sizes.sum()) for shard in shards)
    groups = np.zeros(len(row_of), dtype=np.int64)
    for number, shard in enumerate(shards):
        of_shard = shard_of == number
        groups[of_shard] = np.searchsorted(shard.ends, row_of[of_shard], side="right")
    changes = (np.diff(groups) != 0) | (np.diff(shard_of) != 0)
    times = (1 + int(changes.sum())) / max(sum(len(shard.ends) for shard in shards), 1)
    if size > _KEPT and times > _MANY_TIMES:
        warn(
            f"Expected the images of a class to lie together in {place}, found them mixed: each part of the "
            f"{size / 2**30:.1f} GiB will be read about {times:.0f} times. Sort the rows by label, or unpack "
            "the images into class folders, to have them read once.",
            stacklevel=3,
        )


def stamp_with_file(stamp: NDArray[np.int64], shard: Shard, path: str) -> NDArray[np.int64]:
    """The stamp of a row whose image may lie beside its Parquet file; it changes with either file.

    Args:
        stamp: The Parquet file's, shape ``(3,)``.
        shard: The Parquet file.
        path: Path of the image relative to it, or the empty text.
    """
    try:
        image = file_stamp(_beside(shard, path))
    except OSError:
        return stamp  # what is wrong is said where the image is read
    return np.array([stamp[0] + image[0], *np.maximum(stamp[1:], image[1:])], dtype=np.int64)


def _beside(shard: Shard, path: str) -> Path:
    try:
        image = shard.path.parent / relative_name(path)
    except ValueError as error:
        raise OSError(str(error)) from error
    if not image.is_file():
        msg = f"no file {path}"
        raise OSError(msg)
    return image
