"""Embeds pools by every prior of a selection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from semdd_lightning.data.reference_images import class_means
from semdd_lightning.pools import Pool
from semdd_lightning.prior import PoolEmbeddings, Prior, embed_pool, join
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
        unknowing = [prior for prior in self.priors if not prior.text_identity(images.registry)["names"]]
        if unknowing:  # said before a pool is embedded in vain
            needed(self.reference, "reference", "a prior whose head lacks the classes")
        return join([self._by(prior, images) for prior in self.priors])

    def _by(self, prior: Prior, images: Pool) -> PoolEmbeddings:
        embedded = self._encode(prior, images)
        if len(embedded.text_prototypes) or self.reference is None:
            return embedded
        means = class_means(self._encode(prior, self.reference), self.reference)
        return replace(embedded, text_prototypes=means.text_prototypes, text_key=means.text_key)

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
