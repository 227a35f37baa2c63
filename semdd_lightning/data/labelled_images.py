"""Images with their classes, read one by one from wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.class_matching import class_mapping
from semdd_lightning.errors import DataError
from semdd_lightning.pools import Pool, decode_image
from semdd_lightning.pools.listing import ImageSource, Listing
from semdd_lightning.pools.strings import Strings


@dataclass(frozen=True)
class LabelledImages:
    """Images that can be read one by one, with their class indices.

    Attributes:
        labels: class index of each image, (N,).
        source: gives an image of the underlying set as RGB; it travels to worker processes.
        rows: which image of the underlying set each one is, (N,).
        registry: the classes that the labels count.
        files: path of each image of the underlying set, where images have one.
    """

    labels: NDArray[np.int64]
    source: Callable[[int], Image.Image]
    rows: NDArray[np.int64]
    registry: ClassRegistry
    files: Strings | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int) -> Image.Image:
        """The image at ``index``."""
        return self.source(int(self.rows[index]))

    def paths(self) -> list[str] | None:
        """Path of each image, where images have one, N of them."""
        return None if self.files is None else list(self.files.take(self.rows))

    def take(self, index: NDArray[np.int64]) -> LabelledImages:
        """The images at ``index`` (n,), in this order."""
        return replace(self, labels=self.labels[index], rows=self.rows[index])

    def last_per_class(self, count: int) -> LabelledImages:
        """Only the last ``count`` images of each class, in order."""
        return self.take(np.flatnonzero(self._places_from_end() < count))

    def without_last_per_class(self, count: int) -> LabelledImages:
        """All but the last ``count`` images of each class, in order."""
        return self.take(np.flatnonzero(self._places_from_end() >= count))

    def _places_from_end(self) -> NDArray[np.int64]:
        """For each image, how many of its class follow it, (N,)."""
        places = np.empty(len(self), dtype=np.int64)
        for label in np.unique(self.labels):
            rows = np.flatnonzero(self.labels == label)
            places[rows] = np.arange(len(rows))[::-1]
        return places

    def relabelled(self, registry: ClassRegistry) -> LabelledImages:
        """The same images counted in another registry's order, matched by wnid or by name.

        Raises:
            ClassListError: if the two do not hold the same classes.
        """
        mapping = class_mapping(self.registry, registry)
        if np.array_equal(mapping, np.arange(len(mapping))):
            return replace(self, registry=registry)
        return replace(self, labels=mapping[self.labels], registry=registry)


def listed_images(listing: Listing, registry: ClassRegistry) -> LabelledImages:
    """Every image of a listing, decoded when it is read; one that cannot be is an error then.

    Args:
        listing: the images.
        registry: the classes.
    """
    rows = np.arange(len(listing))
    source = _Encoded(listing.root, listing.paths, listing.source, rows, listing.problems)
    return LabelledImages(listing.labels, source, rows, registry, listing.paths)


def pool_images(pool: Pool) -> LabelledImages:
    """The images of a pool."""
    source = _Encoded(pool.root, pool.paths, pool.source, pool.rows)
    return LabelledImages(pool.labels, source, np.arange(len(pool)), pool.registry, pool.paths)


@dataclass(frozen=True, eq=False)
class _Encoded:
    """Decodes image by image what a source holds.

    Args:
        root: where the images were found, for messages.
        paths: path of each image, N of them.
        source: gives the bytes.
        rows: row of each image in ``source``, (N,).
        problems: reasons, by image, why it is known to be unusable.
    """

    root: Path
    paths: Strings
    source: ImageSource
    rows: NDArray[np.int64]
    problems: Mapping[int, str] = field(default_factory=dict)

    def __call__(self, index: int) -> Image.Image:
        try:
            if index in self.problems:
                raise OSError(self.problems[index])
            return decode_image(self.source.read(int(self.rows[index])))
        except OSError as error:
            msg = (
                f"Expected an image in {self.root / self.paths[index]}, found none ({error}); "
                "replace or remove the file."
            )
            raise DataError(msg) from error


def array_images(
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], registry: ClassRegistry
) -> LabelledImages:
    """Images held in one array, (N, H, W, 3), with labels (N,)."""
    return LabelledImages(labels, partial(_read_row, pixels), np.arange(len(labels)), registry)


def _read_row(pixels: NDArray[np.uint8], index: int) -> Image.Image:
    return Image.fromarray(pixels[index])
