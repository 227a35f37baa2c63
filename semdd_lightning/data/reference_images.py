"""Image prototypes of a pool's classes, taken from a folder of real images instead of from the pool."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.class_matching import class_positions
from semdd_lightning.errors import TooFewImagesError
from semdd_lightning.pools import Pool, PoolReader
from semdd_lightning.prior import PoolEmbeddings, with_imagenet_names
from semdd_lightning.selection import image_prototypes


@dataclass(frozen=True, eq=False)
class ReferencePrototypes:
    """What a reference set says about the classes of a pool.

    Attributes:
        prototypes: unit vectors (C, d) in the pool's class order.
        key: key of the reference images' embeddings in the cache.
    """

    prototypes: Tensor
    key: str


def reference_prototypes(
    reader: PoolReader,
    classes: ClassRegistry,
    embed: Callable[[Pool], PoolEmbeddings],
) -> ReferencePrototypes:
    """Embed a reference set, through the cache, and average it class by class.

    Args:
        reader: how to read the reference images.
        classes: the pool's classes; images of further classes are left out.
        embed: gives the embeddings of a pool, by the CLIP model that scores the pool to choose from.

    Raises:
        ClassListError: if a class of the pool is missing.
        TooFewImagesError: if a class has no usable image.
    """
    images = _of_classes(reader.read(), classes)
    embedded = embed(images)
    labels = torch.from_numpy(images.labels)
    return ReferencePrototypes(
        image_prototypes(embedded.image_embeddings, labels, len(classes)), embedded.key
    )


def check_reference(reader: PoolReader, classes: ClassRegistry) -> None:
    """Find out, without decoding an image, whether a reference set is there and holds the pool's classes.

    Raises:
        PoolError: if it is missing, empty or malformed.
        ClassListError: if a class of the pool is missing.
    """
    reader.check()
    class_positions(with_imagenet_names(reader.registry()), classes)


def _of_classes(images: Pool, classes: ClassRegistry) -> Pool:
    """The images of the pool's classes, labelled in the pool's order."""
    labels = class_positions(with_imagenet_names(images.registry), classes)[images.labels]
    kept = np.flatnonzero(labels >= 0)
    paths = tuple(images.paths[i] for i in kept)
    fingerprint = images.fingerprint
    if len(kept) < len(images):
        fingerprint = hashlib.sha256("\n".join((fingerprint, *paths)).encode()).hexdigest()
    empty = [classes.names[i] for i in np.flatnonzero(np.bincount(labels[kept], minlength=len(classes)) == 0)]
    if empty:
        msg = (
            f"Expected a usable reference image of every class in {images.root}, found none of "
            f"{len(empty)} classes, as {empty[:5]}; add images."
        )
        raise TooFewImagesError(msg)
    return replace(
        images, paths=paths, labels=labels[kept], registry=classes, excluded=(), fingerprint=fingerprint
    )
