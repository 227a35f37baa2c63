"""Images with their classes, decoded one by one from wherever they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.matching import class_mapping
from semdd_lightning.errors import DataError
from semdd_lightning.pools.listing import Listing


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
