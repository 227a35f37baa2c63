"""Images with their classes, read one by one from wherever they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, DataError
from semdd_lightning.pools import Pool, read_image


@dataclass(frozen=True)
class LabelledImages:
    """Images that can be read one by one, with their class indices.

    Attributes:
        labels: class index of each image, (N,).
        source: gives an image of the underlying set as RGB; it travels to worker processes.
        rows: which image of the underlying set each one is, (N,).
        registry: the classes that the labels count.
        files: relative path of each image of the underlying set, where there are files.
    """

    labels: NDArray[np.int64]
    source: Callable[[int], Image.Image]
    rows: NDArray[np.int64]
    registry: ClassRegistry
    files: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int) -> Image.Image:
        """The image at ``index``."""
        return self.source(int(self.rows[index]))

    def paths(self) -> list[str] | None:
        """Relative path of each image, where there are files, N of them."""
        return None if self.files is None else [self.files[row] for row in self.rows]

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
        if registry.names == self.registry.names and registry.wnids == self.registry.wnids:
            return self
        own, other = _keys(self.registry), _keys(registry)
        by_wnid = self.registry.wnids is not None and registry.wnids is not None
        if not by_wnid:
            own, other = _names(self.registry), _names(registry)
        if set(own) != set(other) or len(set(own)) != len(own):
            missing, extra = sorted(set(other) - set(own))[:5], sorted(set(own) - set(other))[:5]
            msg = (
                f"Expected real images of the pool's {len(other)} classes, found {len(own)} classes "
                f"(missing: {missing}, unknown: {extra}); give both the same class list."
            )
            raise ClassListError(msg)
        index = np.array([other.index(key) for key in own], dtype=np.int64)
        return replace(self, labels=index[self.labels], registry=registry)


def file_images(
    root: Path, files: tuple[str, ...], labels: NDArray[np.int64], registry: ClassRegistry
) -> LabelledImages:
    """Images in files, decoded when they are read.

    Args:
        root: folder that the files are relative to.
        files: relative path of each image, N of them.
        labels: class index of each, (N,).
        registry: the classes.
    """
    return LabelledImages(labels, partial(_read_file, root, files), np.arange(len(files)), registry, files)


def pool_images(pool: Pool) -> LabelledImages:
    """The images of a pool."""
    return file_images(pool.root, pool.paths, pool.labels, pool.registry)


def _read_file(root: Path, paths: tuple[str, ...], index: int) -> Image.Image:
    try:
        return read_image(root / paths[index])
    except OSError as error:
        msg = f"Expected an image in {root / paths[index]}, found none ({error}); replace or remove the file."
        raise DataError(msg) from error


def array_images(
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], registry: ClassRegistry
) -> LabelledImages:
    """Images held in one array, (N, H, W, 3), with labels (N,)."""
    return LabelledImages(labels, partial(_read_row, pixels), np.arange(len(labels)), registry)


def _read_row(pixels: NDArray[np.uint8], index: int) -> Image.Image:
    return Image.fromarray(pixels[index])


def _keys(registry: ClassRegistry) -> list[str]:
    return list(registry.wnids or ())


def _names(registry: ClassRegistry) -> list[str]:
    return [name.casefold().replace("_", " ").replace("-", " ") for name in registry.names]
