"""Image prototypes of a pool's classes, taken from a folder of real images instead of from the pool."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, TooFewImagesError
from semdd_lightning.pools import Pool, PoolReader
from semdd_lightning.prior import OpenClipPrior, embed_pool, with_imagenet_names
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


def class_positions(reference: ClassRegistry, classes: ClassRegistry) -> NDArray[np.int64]:
    """For every class of a reference set its index in the pool's classes, -1 where the pool lacks it.

    Classes are matched by wnid where both sides know it, else by name; folders and order do not count.

    Args:
        reference: classes of the reference set.
        classes: classes of the pool.

    Raises:
        ClassListError: if the reference set lacks a class of the pool, or names do not tell classes apart.

    Example:
        >>> own = ClassRegistry(("dog", "zebra", "cat"), ("0", "1", "2"))
        >>> class_positions(own, ClassRegistry(("cat", "dog"), ("cat", "dog"))).tolist()
        [1, -1, 0]
    """
    if reference.wnids is None or classes.wnids is None:
        reference, classes = replace(reference, wnids=None), replace(classes, wnids=None)
    position = {key: index for index, key in enumerate(classes.keys)}
    found = set(reference.keys)
    twice = len(position) < len(classes) or len(found) < len(reference)
    if twice:
        msg = (
            "Expected classes that can be matched with those of the reference images, found two of one name "
            "in one of them; name them differently, or give both sides wnids."
        )
        raise ClassListError(msg)
    missing = [classes.names[index] for key, index in position.items() if key not in found]
    if missing:
        msg = (
            f"Expected the reference images to hold all {len(classes)} classes of the pool, found "
            f"{len(missing)} missing, as {missing[:5]}, among {list(reference.names[:5])}, ...; name their "
            "folders like the pool's classes, or give the reader a class list."
        )
        raise ClassListError(msg)
    return np.array([position.get(key, -1) for key in reference.keys], dtype=np.int64)


def reference_prototypes(
    reader: PoolReader,
    classes: ClassRegistry,
    prior: OpenClipPrior,
    *,
    device: torch.device | str,
    cache_dir: Path | None,
    rank: int,
    world_size: int,
) -> ReferencePrototypes:
    """Embed a reference set, through the cache, and average it class by class.

    Args:
        reader: how to read the reference images.
        classes: the pool's classes; images of further classes are left out.
        prior: the CLIP model.
        device: where images are encoded.
        cache_dir: root of the embedding cache.
        rank: this process, among those that embed together.
        world_size: number of such processes.

    Raises:
        ClassListError: if a class of the pool is missing.
        TooFewImagesError: if a class has no usable image.
    """
    images = _of_classes(reader.read(), classes)
    embedded = embed_pool(
        images,
        prior,
        device=device,
        cache_dir=cache_dir,
        rank=rank,
        world_size=world_size,
        progress=rank == 0,
    )
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
