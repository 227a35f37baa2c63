"""Folders of images with a table of their classes: the Hugging Face hub's image folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.files import find_images, printable
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import FileSource
from semdd_lightning.pools.splits import rows_of_split
from semdd_lightning.pools.stated_images import Located, StatedImages
from semdd_lightning.pools.stated_labels import labels_from_column, numbers_or_texts
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.tables.columns import class_names, label_column
from semdd_lightning.pools.tables.metadata import file_names, find_metadata, read_metadata
from semdd_lightning.progress import image_progress

_log = get_logger(__name__)


@dataclass(frozen=True)
class MetadataFolder(DiskPool):
    """A pool of image files whose classes a table tells: ``metadata.jsonl``, ``.csv`` or ``.parquet``.

    The table has a column `file_name`, relative to its own folder, and a column of labels, class indices or
    names. It lies in the pool's folder or in that of a split. An image's path is its file's with the class
    folder put before it: the name of the label, or its number where the names are not all fit for folders.

    Args:
        path: The folder that holds the table, or the folders of splits that do.
        label_column: Name of the column of labels; by default the one called label, labels, class,
            class_name or category.
        split: Folder of the split to read where there are several, as `train`.
    """

    label_column: str | None = None
    split: str | None = None

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The labels of a sound table; without a class list the classes are those that occur."""
        root = self._root()
        file = find_metadata(root, self.split)
        content = read_metadata(file)
        listed = file_names(content, file)
        if file.parent != root:
            listed = Strings.joined(f"{file.parent.name}/", listed)
        kept = _rows_of_split(listed, self.split, file)
        column = label_column(content.schema, self.label_column, file, by_type=False)
        labels = content.column(column).take(kept)
        stated = labels_from_column(
            numbers_or_texts(labels) if file.suffix == ".csv" else labels,
            f"column {column!r} of {file}",
            class_names(content.schema, column, file),
        )
        files = listed.take(kept)

        def locate(rows: NDArray[np.int64]) -> Located:
            _warn_of_unlisted(root, file, listed)
            asked = files.take(rows)
            stamps, problems = _look_at(root, asked)
            return stamps, FileSource(root, asked), problems

        return StatedImages(root, stated, files, f"images of {file}", locate).found(self._class_list(default))

    def _root(self) -> Path:
        root = self._existing()
        if not root.is_dir():
            msg = f"Expected {root} to be a folder of images with a table, found a file; give the folder."
            raise PoolError(msg)
        return root


def _rows_of_split(files: Strings, split: str | None, table: Path) -> NDArray[np.int64]:
    """The files of a split by their folders; their own names tell nothing of it."""
    folders = pc.replace_substring_regex(files.column, pattern="[^/]*$", replacement="").dictionary_encode()
    kept = rows_of_split(folders.dictionary.to_pylist(), split, table)
    return np.flatnonzero(np.isin(folders.indices.to_numpy(), kept))


def _look_at(root: Path, files: Strings) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Stamps of the files, and those that are not there."""
    stamps = np.zeros((len(files), 3), dtype=np.int64)
    problems = {}
    with image_progress("Listing images", len(files), after=1.0, keep=False) as advance:
        for row, name in enumerate(files):
            file = root / name
            try:
                stat = file.stat()
            except OSError as error:
                there = os.path.islink(file)  # noqa: PTH114 - a dangling link, or a circle; never raises
                problems[row] = f"unreadable: {'not a regular file' if there else error.strerror}"
            else:
                if S_ISREG(stat.st_mode):
                    stamps[row] = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
                else:
                    problems[row] = "unreadable: not a regular file"
            advance(1)
    return stamps, problems


def _warn_of_unlisted(root: Path, table: Path, listed: Strings) -> None:
    images = find_images(table.parent)
    found = Strings(printable(image.relative_to(root).as_posix()) for image in images)
    unlisted = found.take(np.flatnonzero(listed.positions(found) < 0))
    if len(unlisted):
        _log.warning(
            "%d image files in %s are not in %s and are ignored: %s.",
            len(unlisted),
            root,
            table.name,
            some_of(sorted(unlisted)),
        )
