"""A pool and real images of its classes, embedded by every prior of a selection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import class_positions
from semdd_lightning.errors import ClassListError, TooFewImagesError
from semdd_lightning.pools import ImageSet, Pool, ResolvedImages
from semdd_lightning.prior import PoolEmbeddings, Prior, embed_pool, join
from semdd_lightning.selection import ClassifierOutputs, ReferenceEmbeddings, image_prototypes
from semdd_lightning.selection.scores.score import needed


@dataclass(frozen=True)
class PoolEmbedder:
    """Gives the embeddings of a pool under one prior or several, through the cache.

    Attributes:
        priors: the models.
        reference: real images of the classes, for a prior that does not know these by itself.
        device: where images are encoded.
        cache_dir: root of the cache (default: SEMDD_CACHE or the user's cache folder).
        rank: this process, among those that embed together.
        world_size: number of such processes.
    """

    priors: tuple[Prior, ...]
    reference: Pool | None
    device: torch.device | str
    cache_dir: Path | None = None
    rank: int = 0
    world_size: int = 1

    def __call__(self, images: Pool) -> PoolEmbeddings:
        """Embeddings of a pool.

        Raises:
            SelectionError: if a prior needs reference images, and there are none.
        """
        if not all(prior.text_identity(images.registry)["names"] for prior in self.priors):
            needed(self.reference, "reference", "a prior whose head lacks the classes")
        return join([self._by(prior, images) for prior in self.priors])

    def _by(self, prior: Prior, images: Pool) -> PoolEmbeddings:
        embedded = self._encode(prior, images)
        if len(embedded.text_prototypes) or self.reference is None:
            return embedded
        real, labels = self._encode(prior, self.reference), torch.from_numpy(self.reference.labels)
        means = image_prototypes(real.image_embeddings, labels, len(self.reference.registry)).float()
        return replace(embedded, text_prototypes=means, text_key=f"means of {real.key}")

    def _encode(self, prior: Prior, images: Pool) -> PoolEmbeddings:
        return embed_pool(
            images,
            prior,
            device=self.device,
            cache_dir=self.cache_dir,
            rank=self.rank,
            world_size=self.world_size,
            progress=self.rank == 0,
        )


def reference_embeddings(
    images: Pool, embeddings: PoolEmbeddings, classifier: ClassifierOutputs | None = None
) -> ReferenceEmbeddings:
    """What samplers and scores see of real images.

    Args:
        images: the images, labelled in the pool's class order.
        embeddings: their embeddings by the models that score the pool.
        classifier: what a classifier says of them, if there is one.
    """
    parts = tuple(reference_embeddings(images, part, classifier) for part in embeddings.parts)
    labels = torch.from_numpy(images.labels)
    return ReferenceEmbeddings(embeddings.image_embeddings, labels, classifier, parts)


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
    images = resolve_reference(reference, classes).read(cache_dir)
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
