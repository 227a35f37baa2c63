"""From a pool on disk to the chosen images: index, embed, select. Needs no Lightning."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import torch

from semdd_lightning.export import Manifest, describe, selection_table, write_subset
from semdd_lightning.pools import Pool, PoolReader, require_images_per_class
from semdd_lightning.prior import OpenClipPrior, PoolEmbeddings, embed_pool, with_imagenet_names
from semdd_lightning.selection import Embeddings, Sampler, Selection, build_sampler, selection_report

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolSelection:
    """A finished selection together with what it was made from.

    Attributes:
        pool: the indexed pool.
        embeddings: its CLIP embeddings.
        selection: the chosen rows and every image's scores.
        manifest: everything that is needed to make the selection again.
        seconds: time each stage took.
    """

    pool: Pool
    embeddings: PoolEmbeddings
    selection: Selection
    manifest: Manifest
    seconds: dict[str, float]

    @property
    def table(self) -> pd.DataFrame:
        """One row for each image file of the pool: path, class, scores, stage and reason."""
        return selection_table(self.pool, self.selection)

    @property
    def paths(self) -> list[Path]:
        """Files of the chosen images, class by class, in the order they were picked."""
        return [self.pool.file(int(i)) for i in self.selection.indices]

    def report(self) -> pd.DataFrame:
        """Statistics of pool, candidates, selection and a random subset of the same size."""
        return selection_report(
            sampler_embeddings(self.pool, self.embeddings), self.selection, seed=self.manifest.selection_seed
        )

    def export(self, directory: Path | str, *, link: bool = False) -> Path:
        """Write chosen images in class folders, manifest and score table to a new directory."""
        return write_subset(
            Path(directory), self.pool, self.selection, self.manifest, report=self.report(), link=link
        )


@dataclass
class Stopwatch:
    """Seconds spent in named stages."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of a ``with`` block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def select(
    pool: PoolReader,
    prior: OpenClipPrior,
    ipc: int,
    sampler: str | Sampler = "two_stage",
    seed: int = 0,
    *,
    device: torch.device | str | None = None,
    cache_dir: Path | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> PoolSelection:
    """Choose ``ipc`` images a class from a pool.

    Args:
        pool: how to read the pool.
        prior: the CLIP model that scores it.
        ipc: images per class.
        sampler: a sampler or the short name of one with its defaults.
        seed: selection seed, used by samplers that draw.
        device: where images are encoded; the first GPU if there is one, else the CPU.
        cache_dir: where embeddings are kept; none takes ``SEMDD_CACHE`` or the user's cache folder.
        rank: this process, among those that embed the pool together.
        world_size: number of such processes.

    Raises:
        TooFewImagesError: if a class has fewer than ``ipc`` usable images.
    """
    watch = Stopwatch()
    sampler = build_sampler(sampler)
    pool.check()
    with watch.measure("index"):
        images = pool.read()
        images = replace(images, registry=with_imagenet_names(images.registry))
        require_images_per_class(images, ipc)
    with watch.measure("embed"):
        embeddings = embed_pool(
            images,
            prior,
            device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
            cache_dir=cache_dir,
            rank=rank,
            world_size=world_size,
            progress=rank == 0,
        )
    with watch.measure("select"):
        selection = sampler.select(sampler_embeddings(images, embeddings), ipc, seed)
    logger.info(
        "%s chose %d of %d images (%d encoded now, the others came from the cache)",
        sampler.name,
        len(selection.indices),
        len(images),
        embeddings.encoded,
    )
    manifest = Manifest(
        pool=describe(pool),
        prior=describe(prior.absolute()),
        sampler=describe(sampler),
        sampler_name=sampler.name,
        ipc=ipc,
        selection_seed=seed,
        pool_root=str(images.root),
        pool_fingerprint=images.fingerprint,
        embeddings_key=embeddings.key,
        selection_digest=selection.digest,
        class_names=images.registry.names,
        class_folders=images.registry.folders,
        class_wnids=images.registry.wnids,
        paths=tuple(images.paths[i] for i in selection.indices.tolist()),
        labels=tuple(images.labels[selection.indices.numpy()].tolist()),
    )
    return PoolSelection(images, embeddings, selection, manifest, watch.seconds)


def sampler_embeddings(pool: Pool, embeddings: PoolEmbeddings) -> Embeddings:
    """What a sampler sees of an embedded pool."""
    return Embeddings(
        image_embeddings=embeddings.image_embeddings,
        labels=torch.from_numpy(pool.labels),
        text_prototypes=embeddings.text_prototypes,
        logit_scale=embeddings.logit_scale,
    )
