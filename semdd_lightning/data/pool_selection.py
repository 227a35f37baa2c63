"""From a pool on disk to the chosen images: index, embed, select. Needs no Lightning."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from semdd_lightning.data.reference_images import check_reference, reference_prototypes
from semdd_lightning.export import Manifest, describe, selection_table, write_subset
from semdd_lightning.pools import Pool, PoolReader, require_images_per_class
from semdd_lightning.prior import OpenClipPrior, PoolEmbeddings, embed_pool, with_imagenet_names
from semdd_lightning.selection import (
    METRICS,
    Embeddings,
    Sampler,
    Selection,
    SubsetStatistics,
    build_sampler,
    class_report,
)

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

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each image file of the pool: path, class, scores, stage and reason."""
        return selection_table(self.pool, self.selection)

    @property
    def paths(self) -> list[Path]:
        """Files of the chosen images, class by class, in the order they were picked."""
        return [self.pool.file(int(i)) for i in self.selection.indices]

    def report(self) -> pd.DataFrame:
        """Statistics of pool, candidates, selection and a random subset of the same size."""
        return self._report.copy()

    def report_by_class(self) -> pd.DataFrame:
        """The statistics of `report` for every class: one row per set and class."""
        return self._report_by_class.copy()

    def export(self, directory: Path | str, *, link: bool = False, claimed: bool = False) -> Path:
        """Write chosen images in class folders, manifest, score table and reports to a new directory.

        Args:
            directory: where to; must not exist.
            link: hard-link the images instead of copying them, where the file system can.
            claimed: whether ``directory`` is there, empty, to keep its name for this.
        """
        return write_subset(
            Path(directory),
            self.pool,
            self.selection,
            self.manifest,
            table=self.table,
            report=self._report,
            report_by_class=self._report_by_class,
            link=link,
            claimed=claimed,
        )

    @cached_property
    def _report_by_class(self) -> pd.DataFrame:
        seen = sampler_embeddings(self.pool, self.embeddings)
        report = class_report(seen, self.selection, seed=self.manifest.selection_seed)
        names = self.pool.registry.names
        report.insert(2, "class_name", [names[index] for index in report["class_index"]])
        return report

    @cached_property
    def _report(self) -> pd.DataFrame:
        """Out of the report by class: the coverage of a large pool by itself is worth computing once."""
        rows = {}
        for name, of_set in self._report_by_class.groupby("set", sort=False):
            columns = {metric: of_set[metric].to_numpy(dtype="float64") for metric in METRICS}
            statistics = SubsetStatistics(of_set["num_images"].to_numpy(dtype="int64"), **columns)
            rows[str(name)] = {"num_images": int(statistics.num_images.sum())} | statistics.overall()
        frame = pd.DataFrame.from_dict(rows, orient="index").astype({"num_images": "int64"})
        return frame.rename_axis("set")


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
    reference: PoolReader | None = None,
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
        reference: real images that a sampler's ``prototypes: image`` or ``both`` are taken from; none takes
            them from the pool.
        device: where images are encoded; the first GPU if there is one, else the CPU.
        cache_dir: where embeddings are kept; none takes ``SEMDD_CACHE`` or the user's cache folder.
        rank: this process, among those that embed the pool together.
        world_size: number of such processes.

    Raises:
        TooFewImagesError: if a class has fewer than ``ipc`` usable images, or no reference image.
        ClassListError: if the reference images lack a class of the pool.
        SelectionError: if the sampler cannot work with these numbers.
        PriorError: if the CLIP model cannot be had as described.
    """
    watch = Stopwatch()
    sampler = build_sampler(sampler)
    pool.check()
    prior.check()
    registry = with_imagenet_names(pool.registry())
    sampler.check(len(registry), ipc)
    if reference is not None:
        check_reference(reference, registry)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with watch.measure("index"):
        images = pool.read()
        images = replace(images, registry=with_imagenet_names(images.registry))
        require_images_per_class(images, ipc)
    with watch.measure("embed"):
        embeddings = embed_pool(
            images,
            prior,
            device=device,
            cache_dir=cache_dir,
            rank=rank,
            world_size=world_size,
            progress=rank == 0,
        )
    real = None
    if reference is not None:
        with watch.measure("embed reference"):
            real = reference_prototypes(
                reference,
                images.registry,
                prior,
                device=device,
                cache_dir=cache_dir,
                rank=rank,
                world_size=world_size,
            )
    with watch.measure("select"):
        seen = sampler_embeddings(images, embeddings, None if real is None else real.prototypes)
        selection = sampler.select(seen, ipc, seed)
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
        text_key=embeddings.text_key,
        embeddings_digest=embeddings_digest(seen),
        cache_dir=None if cache_dir is None else str(Path(cache_dir).expanduser().absolute()),
        reference=None if reference is None else describe(reference),
        reference_key=None if real is None else real.key,
        selection_digest=selection.digest,
        class_names=images.registry.names,
        class_folders=images.registry.folders,
        class_wnids=images.registry.wnids,
        paths=tuple(images.paths[i] for i in selection.indices.tolist()),
        labels=tuple(images.labels[selection.indices.numpy()].tolist()),
    )
    return PoolSelection(images, embeddings, selection, manifest, watch.seconds)


def sampler_embeddings(
    pool: Pool, embeddings: PoolEmbeddings, reference_prototypes: Tensor | None = None
) -> Embeddings:
    """What a sampler sees of an embedded pool.

    Args:
        pool: the pool.
        embeddings: its embeddings.
        reference_prototypes: prototypes (C, d) out of reference images, if there are any.
    """
    return Embeddings(
        image_embeddings=embeddings.image_embeddings,
        labels=torch.from_numpy(pool.labels),
        text_prototypes=embeddings.text_prototypes,
        logit_scale=embeddings.logit_scale,
        reference_prototypes=reference_prototypes,
    )


def embeddings_digest(embeddings: Embeddings) -> str:
    """SHA-256 (hex) over all vectors that a sampler sees, to the last bit.

    Args:
        embeddings: the embedded pool.
    """
    digest = hashlib.sha256()
    for vectors in (
        embeddings.image_embeddings,
        embeddings.text_prototypes,
        embeddings.reference_prototypes,
    ):
        if vectors is not None:
            digest.update(f"{tuple(vectors.shape)} {vectors.dtype}\n".encode())
            digest.update(vectors.cpu().contiguous().numpy().data)  # a view: a large pool is not copied
    return digest.hexdigest()
