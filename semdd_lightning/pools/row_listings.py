"""Listings of images that are no files of their own: rows of an array, or of a file with their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools.image_set import Found
from semdd_lightning.pools.listing import ImageSource, Listing
from semdd_lightning.pools.stated_labels import StatedLabels
from semdd_lightning.pools.strings import Strings


def class_paths(registry: ClassRegistry, labels: NDArray[np.int64], names: Strings) -> Strings:
    """Paths ``<class folder>/<name>``, unsorted.

    Args:
        registry: The classes.
        labels: Class index of each image, shape ``(N,)``.
        names: Name of each image, ``(N,)``.
    """
    return Strings.joined(Strings(registry.folders).take(labels), "/", names)


def numbered_names(stem: str, rows: NDArray[np.int64], count: int, suffix: str | Strings) -> Strings:
    """Names ``<stem>-<row><suffix>``, the rows padded so that they sort as numbers.

    >>> list(numbered_names("images", np.array([3, 11]), 12, ".png"))
    ['images-03.png', 'images-11.png']

    Args:
        stem: What the names begin with.
        rows: Row of each name, shape ``(N,)``, each below `count`.
        count: How many rows there are in all.
        suffix: What the names end in, or what each does.
    """
    padded = pc.utf8_lpad(pa.array(rows).cast(pa.large_string()), len(str(max(count - 1, 0))), "0")
    return Strings.joined(f"{stem}-", Strings(padded), suffix)


Located = tuple[NDArray[np.int64], ImageSource, Mapping[int, str]]
"""Stamps, source and problems of images, as a `Listing` has them."""


@dataclass(frozen=True, eq=False)
class StatedImages:
    """The rows of a container with their labels, before these are anybody's classes.

    Args:
        root: Folder, or file, that they were read from.
        stated: Label of each row, N of them.
        names: Name of each row's image, which comes below its class folder.
        what: What the rows are, in the plural, for a warning of those without a label.
        locate: Says where the images of rows are; asked once they are listed.
    """

    root: Path
    stated: StatedLabels
    names: Strings
    what: str
    locate: Callable[[NDArray[np.int64]], Located]

    def found(self, class_list: ClassRegistry | None) -> Found:
        """The classes, and the listing of every image that has a label, as ``<class>/<name>``.

        Args:
            class_list: The class list; without one the labels are the classes.

        Raises:
            ClassListError: If labels and class list do not fit, or a class has no image.
        """
        classes = self.stated.registry(class_list)
        return classes, lambda: self._list(classes)

    def _list(self, classes: ClassRegistry) -> Listing:
        rows, labels = self.stated.labelled(classes, self.what)
        paths = class_paths(classes, labels, self.names.take(rows))
        order = paths.order()
        return Listing(self.root, paths.take(order), labels[order], *self.locate(rows[order]))


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
