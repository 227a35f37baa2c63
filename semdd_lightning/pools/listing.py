"""What a layout says is there: every image of a set with its class, before one of them is decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import class_mapping
from semdd_lightning.errors import DataError
from semdd_lightning.pools.images import decode_image
from semdd_lightning.pools.strings import Strings


class ImageSource(ABC):
    """Where the encoded bytes of a layout's images come from; it is pickled to worker processes."""

    @abstractmethod
    def read(self, row: int) -> bytes:
        """The whole encoded image (PNG, JPEG, ...) of one row of the listing; called from several threads.

        Raises:
            OSError: If it cannot be read.
        """

    def image(self, row: int) -> Image.Image:
        """The decoded image of one row, RGB.

        Raises:
            OSError: If it cannot be read, or is no image.
        """
        return decode_image(self.read(row))

    def file(self, row: int) -> Path | None:
        """The file that holds exactly this image, if there is one."""
        return None

    def recipe(self) -> str:
        """What the bytes depend on besides the files, such as a normalisation; part of the index's key."""
        return type(self).__qualname__


@dataclass(frozen=True, eq=False)
class Listing:
    """All images of a set, unread, in its own order, which is path order unless it numbers its images.

    A path is an image's identity: relative, posix, unique, and stable from run to run. For an image that is
    a file of its own it is the file's path below `root`; any other layout makes up
    ``<class folder>/<name>.<suffix>``, so that exported images always lie in class folders.

    Args:
        root: Folder, or file, that the pool was read from.
        paths: Path of each image, shape ``(N,)``.
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

    def take(self, rows: NDArray[np.int64]) -> Listing:
        """The images at `rows`, shape ``(n,)``, in this order."""
        known = self.problems
        problems = {i: known[row] for i, row in enumerate(rows.tolist()) if row in known} if known else {}
        paths, source = self.paths.take(rows), TakenRows(self.source, rows)
        return Listing(self.root, paths, self.labels[rows], self.stamps[rows], source, problems)

    def in_path_order(self) -> Listing:
        """The same images sorted by path; the listing itself where they are."""
        column = self.paths.column
        sorted_already = pc.all(pc.less_equal(column[:-1], column[1:])).as_py() is not False
        return self if sorted_already else self.take(self.paths.order())

    def rows_at_class_ends(self, count: int, *, inside: bool) -> NDArray[np.int64]:
        """The rows of the last `count` images of each class; of all others where not `inside`."""
        following = np.empty(len(self), dtype=np.int64)  # images of the same class
        for label in np.unique(self.labels):
            rows = np.flatnonzero(self.labels == label)
            following[rows] = np.arange(len(rows))[::-1]
        return np.flatnonzero((following < count) == inside)


@dataclass(frozen=True, eq=False)
class TakenRows(ImageSource):
    """Some rows of another source.

    Args:
        source: The other.
        rows: Its row for each row, shape ``(n,)``.
    """

    source: ImageSource
    rows: NDArray[np.int64]

    def read(self, row: int) -> bytes:
        """The encoded image of a row."""
        return self.source.read(int(self.rows[row]))

    def image(self, row: int) -> Image.Image:
        """The decoded image of a row."""
        return self.source.image(int(self.rows[row]))

    def file(self, row: int) -> Path | None:
        """The file of a row, if it has one of its own."""
        return self.source.file(int(self.rows[row]))

    def recipe(self) -> str:
        """The other's."""
        return self.source.recipe()


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


def file_stamp(file: Path) -> NDArray[np.int64]:
    """Size in bytes, modification and change time in nanoseconds of a file, shape ``(3,)``.

    Raises:
        OSError: If it is not there.
    """
    stat = file.stat()
    return np.array([stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns], dtype=np.int64)


def class_paths(registry: ClassRegistry, labels: NDArray[np.int64], names: Strings) -> Strings:
    """Paths ``<class folder>/<name>``, unsorted.

    Args:
        registry: The classes.
        labels: Class index of each image, shape ``(N,)``.
        names: Name of each image, ``(N,)``.
    """
    return Strings.joined(Strings(registry.folders).take(labels), "/", names)


def list_array(
    root: Path,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: ClassRegistry,
    stamp: NDArray[np.int64],
    *,
    name: str,
) -> Listing:
    """Every row of an array as ``<class>/<row>.png``, in the order of the rows.

    Args:
        root: Where the array comes from.
        pixels: The images, shape ``(N, H, W, 3)``.
        labels: Class index of each, shape ``(N,)``.
        classes: The classes.
        stamp: What changes when the array may have changed, shape ``(3,)``.
        name: What tells the array from others of the same root.
    """
    names = Strings(f"{row:05d}.png" for row in range(len(labels)))
    stamps = np.broadcast_to(stamp, (len(labels), 3))
    return Listing(root, class_paths(classes, labels, names), labels, stamps, PixelRows(pixels, name))


@dataclass(frozen=True, eq=False)
class PixelRows(ImageSource):
    """Rows of an array of pixels.

    Args:
        pixels: The images, shape ``(N, H, W, 3)``.
        name: What tells the array from others of the same root.
    """

    pixels: NDArray[np.uint8]
    name: str

    def recipe(self) -> str:
        """With the array's name."""
        return f"{super().recipe()}, {self.name}"

    def read(self, row: int) -> bytes:
        """A row as PNG: stored, not compressed, the same bytes whichever zlib is installed."""
        content = BytesIO()
        self.image(row).save(content, format="PNG", compress_level=0)
        return content.getvalue()

    def image(self, row: int) -> Image.Image:
        """A row as it is."""
        return Image.fromarray(self.pixels[row])


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Listed images that are decoded one by one, with the classes that their labels count.

    Args:
        listing: The images; it travels to worker processes.
        registry: The classes.
    """

    listing: Listing
    registry: ClassRegistry

    def __len__(self) -> int:
        return len(self.listing)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class index of each image, shape ``(N,)``."""
        return self.listing.labels

    def paths(self) -> list[str]:
        """Path of each image, N of them."""
        return list(self.listing.paths)

    def read(self, index: int) -> Image.Image:
        """The image at `index` as RGB.

        Raises:
            DataError: If it cannot be decoded.
        """
        try:
            if index in self.listing.problems:
                raise OSError(self.listing.problems[index])
            return self.listing.source.image(index)
        except OSError as error:
            msg = (
                f"Expected an image in {self.listing.root / self.listing.paths[index]}, found none "
                f"({error}); replace or remove the file."
            )
            raise DataError(msg) from error

    def take(self, index: NDArray[np.int64]) -> LabelledImages:
        """The images at `index`, shape ``(n,)``, in this order."""
        return replace(self, listing=self.listing.take(index))

    def relabelled(self, registry: ClassRegistry) -> LabelledImages:
        """The same images counted in another registry's order, matched by wnid or by name.

        Raises:
            ClassListError: If the two do not hold the same classes.
        """
        mapping = class_mapping(self.registry, registry)
        if np.array_equal(mapping, np.arange(len(mapping))):
            return replace(self, registry=registry)
        return LabelledImages(replace(self.listing, labels=mapping[self.labels]), registry)
