"""Real images of a pool's classes: what prototypes are taken from, and what an audit compares with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.matching import class_positions
from semdd_lightning.errors import ClassListError, TooFewImagesError
from semdd_lightning.pools import ImageSet, Pool, ResolvedImages
from semdd_lightning.prior import PoolEmbeddings
from semdd_lightning.selection import ClassifierOutputs, ReferenceEmbeddings, image_prototypes


@dataclass(frozen=True, eq=False)
class ReferenceImages:
    """Real images of a pool's classes, embedded by the CLIP model that scores the pool.

    Attributes:
        images: the images, labelled in the pool's class order.
        embeddings: their embeddings.
        classifier: what a classifier says of them, if there is one.
    """

    images: Pool
    embeddings: PoolEmbeddings
    classifier: ClassifierOutputs | None = None

    @property
    def labels(self) -> Tensor:
        """Class of each image in the pool's order, (R,)."""
        return torch.from_numpy(self.images.labels)

    def for_samplers(self) -> ReferenceEmbeddings:
        """What samplers and scores see of them."""
        parts = tuple(replace(self, embeddings=part).for_samplers() for part in self.embeddings.parts)
        return ReferenceEmbeddings(self.embeddings.image_embeddings, self.labels, self.classifier, parts)


def read_reference(
    reference: ImageSet | ResolvedImages, classes: ClassRegistry, cache_dir: Path | None = None
) -> Pool:
    """Read a reference set, labelled in the pool's class order.

    Args:
        reference: the reference images, or what was found of them.
        classes: the pool's classes; images of further classes are left out.
        cache_dir: where the index of the images is kept (default: SEMDD_CACHE or the user's cache folder).

    Raises:
        ClassListError: if a class of the pool is missing.
        TooFewImagesError: if a class has no usable image.
    """
    return _of_classes(resolve_reference(reference, classes).read(cache_dir), classes)


def class_means(embeddings: PoolEmbeddings, images: Pool) -> PoolEmbeddings:
    """Embeddings of reference images whose prototypes are the normalised means of the classes.

    Args:
        embeddings: the embeddings, without prototypes.
        images: the images.
    """
    labels = torch.from_numpy(images.labels)
    means = image_prototypes(embeddings.image_embeddings, labels, len(images.registry)).float()
    return replace(embeddings, text_prototypes=means, text_key=f"means of {embeddings.key}")


def resolve_reference(reference: ImageSet | ResolvedImages, classes: ClassRegistry) -> ResolvedImages:
    """A reference set by its own classes, or, where these are not the pool's, its folders read by those.

    Args:
        reference: the reference images, or what was found of them.
        classes: the pool's classes.

    Raises:
        ClassListError: if a class of the pool is missing.
    """
    own = reference if isinstance(reference, ResolvedImages) else reference.resolve()
    try:
        class_positions(own.registry, classes)
    except ClassListError as misfit:
        try:
            return own.image_set.resolve(classes)
        except ClassListError:
            raise misfit from None
    return own


def _of_classes(images: Pool, classes: ClassRegistry) -> Pool:
    """The images of the pool's classes, labelled in the pool's order."""
    labels = class_positions(images.registry, classes)[images.labels]
    kept = np.flatnonzero(labels >= 0)
    empty = [classes.names[i] for i in np.flatnonzero(np.bincount(labels[kept], minlength=len(classes)) == 0)]
    if empty:
        msg = (
            f"Expected a usable reference image of every class in {images.root}, found none of "
            f"{len(empty)} classes, as {empty[:5]}; add images."
        )
        raise TooFewImagesError(msg)
    return replace(images.take(kept), labels=labels[kept], registry=classes, excluded=())
