"""What a layout says is there: every image of a pool with its class, before one of them is decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.pools.strings import Strings


class ImageSource(ABC):
    """Where the encoded bytes of a layout's images come from; it is pickled to worker processes."""

    @abstractmethod
    def read(self, row: int) -> bytes:
        """The whole encoded image (PNG, JPEG, ...) of one row of the listing; called from several threads.

        Raises:
            OSError: If it cannot be read.
        """

    def file(self, row: int) -> Path | None:
        """The file that holds exactly this image, if there is one."""
        return None

    def recipe(self) -> str:
        """What the bytes depend on besides the files, such as a normalisation; part of the index's key."""
        return type(self).__qualname__


@dataclass(frozen=True, eq=False)
class Listing:
    """All images of a pool, unread, in path order.

    A path is an image's identity: relative, posix, unique, and stable from run to run. For an image that is
    a file of its own it is the file's path below `root`; any other layout makes up
    ``<class folder>/<name>.<suffix>``, so that exported images always lie in class folders.

    Args:
        root: Folder, or file, that the pool was read from.
        paths: Path of each image, shape ``(N,)``, sorted.
        labels: Class index of each image, shape ``(N,)``.
        stamps: What changes when the bytes may have changed, shape ``(N, 3)``: size in bytes, modification
            and change time in nanoseconds, of the file that holds the image.
        source: Gives the bytes of each row.
        problems: Reasons, by row, why an image is known to be unusable without reading it.
    """

    root: Path
    paths: Strings
    labels: NDArray[np.int64]
    stamps: NDArray[np.int64]
    source: ImageSource
    problems: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True, eq=False)
class FileSource(ImageSource):
    """Images that are files of their own.

    Args:
        root: Folder that the paths are relative to.
        paths: Path of each row.
    """

    root: Path
    paths: Strings

    def read(self, row: int) -> bytes:
        """The content of a row's file."""
        return self.file(row).read_bytes()

    def file(self, row: int) -> Path:
        """The file of a row."""
        return self.root / self.paths[row]
