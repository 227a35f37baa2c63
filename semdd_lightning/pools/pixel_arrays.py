"""Images of one array of pixels, numbered by their rows."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools.class_paths import class_paths
from semdd_lightning.pools.listing import ImageSource, Listing
from semdd_lightning.pools.strings import Strings


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
