"""From a pool on disk to the chosen images: index, embed, select. Needs no Lightning."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from semdd_lightning.data.auditing import AUTOMATIC, AuditPolicy, apply_policy, audit_classes, check_policy
from semdd_lightning.data.pool_selection import PoolSelection, sampler_embeddings
from semdd_lightning.data.reference_images import check_reference, embed_reference
from semdd_lightning.datasets import with_imagenet_names
from semdd_lightning.export import Manifest, describe
from semdd_lightning.pools import Pool, PoolReader, as_reader, require_images_per_class
from semdd_lightning.prior import OpenClipPrior, PoolEmbeddings, as_prior, embed_pool
from semdd_lightning.selection import Embeddings, Sampler, Selection, build_sampler, whole_number

logger = logging.getLogger(__name__)


def select(
    pool: PoolReader | Path | str,
    prior: OpenClipPrior | str,
    ipc: int,
    sampler: str | Sampler = "two_stage",
    seed: int = 0,
    *,
    reference: PoolReader | Path | str | None = None,
    device: torch.device | str | None = None,
    cache_dir: Path | None = None,
    rank: int = 0,
    world_size: int = 1,
    images: Pool | None = None,
    audit: AuditPolicy = "refuse",
) -> PoolSelection:
    """Choose ``ipc`` images a class from a pool.

    Args:
        pool: how to read the pool, or where it lies.
        prior: the CLIP model that scores it, or its name as `semdd select --prior` takes it.
        ipc: images per class.
        sampler: a sampler or the short name of one with its defaults.
        seed: selection seed, used by samplers that draw.
        reference: real images of the same classes, for samplers and scores that compare with these; the audit
            looks at them too.
        device: where images are encoded; the first GPU if there is one, else the CPU.
        cache_dir: where the pool's index and the embeddings are kept; none takes ``SEMDD_CACHE`` or the
            user's cache folder.
        rank: this process, among those that embed the pool together.
        world_size: number of such processes.
        images: what ``pool`` reads, where it has been read already.
        audit: what to do where the images do not show the classes of their folders: `refuse`, `warn`, or do
            not look (`off`).

    Raises:
        AuditError: if the folders do not hold their classes.
        TooFewImagesError: if a class has fewer than ``ipc`` usable images, or no reference image.
        ClassListError: if the reference images lack a class of the pool.
        SelectionError: if the sampler cannot work with these numbers.
        PriorError: if the CLIP model cannot be had as described.
    """
    watch, sampler, pool, prior = Stopwatch(), build_sampler(sampler), as_reader(pool), as_prior(prior)
    reference = None if reference is None else as_reader(reference)
    cache_dir = None if cache_dir is None else Path(cache_dir)
    ipc, seed = whole_number("ipc", ipc, at_least=1), whole_number("seed", seed, at_least=0)
    check_policy(audit)
    if images is None and world_size == 1:  # several processes have had it prepared by one of them
        pool.prepare()
        if reference is not None:
            reference.prepare()
    _check(pool, prior, sampler, ipc, reference)
    made_from = _components(pool, prior, sampler.resolved(ipc), reference, cache_dir)
    embed = partial(
        embed_pool,
        prior=prior,
        device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
        cache_dir=cache_dir,
        rank=rank,
        world_size=world_size,
        progress=rank == 0,
    )
    with watch.measure("index"):
        images = pool.read(cache_dir) if images is None else images
        images = replace(images, registry=with_imagenet_names(images.registry))
        _report_excluded(images)
        require_images_per_class(images, ipc)
    with watch.measure("embed"):
        embeddings = embed(images)
        real = None
        if reference is not None:
            real = embed_reference(reference, images.registry, embed, cache_dir)
    found = None
    if audit != "off":
        with watch.measure("audit"):
            found = audit_classes(images, embeddings, real, at_most=AUTOMATIC)
            apply_policy(images, found, audit)
    with watch.measure("select"):
        seen = sampler_embeddings(images, embeddings, None if real is None else real.for_samplers())
        selection = sampler.select(seen, ipc, seed)
    _report(sampler, selection, embeddings)
    manifest = Manifest(
        **made_from,
        sampler_name=sampler.name,
        ipc=ipc,
        selection_seed=seed,
        reference_key=None if real is None else real.embeddings.key,
        embeddings_digest=embeddings_digest(seen),
        **_outcome(images, embeddings, selection),
    )
    return PoolSelection(images, embeddings, selection, manifest, watch.seconds, found)


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


def embeddings_digest(embeddings: Embeddings) -> str:
    """SHA-256 (hex) over all vectors that a sampler sees, to the last bit.

    Args:
        embeddings: the embedded pool.
    """
    digest = hashlib.sha256()
    seen = [embeddings.image_embeddings, embeddings.text_prototypes]
    if embeddings.reference is not None:
        seen.append(embeddings.reference.image_embeddings)
    for vectors in seen:
        digest.update(f"{tuple(vectors.shape)} {vectors.dtype}\n".encode())
        digest.update(vectors.cpu().contiguous().numpy().data)  # a view: a large pool is not copied
    return digest.hexdigest()


def _check(
    pool: PoolReader, prior: OpenClipPrior, sampler: Sampler, ipc: int, reference: PoolReader | None
) -> None:
    """What can be known before an image is read."""
    pool.check()
    prior.check()
    registry = with_imagenet_names(pool.registry())
    sampler.check(len(registry), ipc)
    if reference is not None:
        check_reference(reference, registry)


def _report_excluded(images: Pool) -> None:
    """Say which files cannot be chosen; the score table lists each with its reason."""
    if images.excluded:
        first = images.excluded[0]
        logger.warning(
            "%d image files cannot be chosen, the first of them %s (%s); scores.parquet lists them all",
            len(images.excluded),
            first.path,
            first.reason,
        )


def _report(sampler: Sampler, selection: Selection, embeddings: PoolEmbeddings) -> None:
    """Say what was done, and whether the CLIP model knows these classes at all."""
    scores, classes = selection.scores, selection.num_classes
    logger.info(
        "%s chose %d of %d images (%d encoded now, the others came from the cache)",
        sampler.name,
        len(selection),
        len(scores),
        embeddings.encoded,
    )
    right = float((scores["predicted"] == scores["label"]).mean())
    if classes > 1 and right < min(2 / classes, (1 + 1 / classes) / 2):
        logger.warning(
            "CLIP puts only %.1f %% of the pool into their classes (chance: %.1f %%); its scores say little. "
            "Check that the class names are words and belong to the folders",
            100 * right,
            100 / classes,
        )


def _components(
    pool: PoolReader,
    prior: OpenClipPrior,
    sampler: Sampler,
    reference: PoolReader | None,
    cache_dir: Path | None,
) -> dict[str, Any]:
    """The manifest's part that says what the selection is made from."""
    return {
        "pool": describe(pool),
        "prior": describe(prior.absolute()),
        "sampler": describe(sampler),
        "reference": None if reference is None else describe(reference),
        "cache_dir": None if cache_dir is None else str(Path(cache_dir).expanduser().absolute()),
    }


def _outcome(images: Pool, embeddings: PoolEmbeddings, selection: Selection) -> dict[str, Any]:
    """The manifest's part that says what was found and chosen."""
    registry, chosen = images.registry, selection.indices.tolist()
    return {
        "pool_root": str(images.root),
        "pool_fingerprint": images.fingerprint,
        "embeddings_key": embeddings.key,
        "text_key": embeddings.text_key,
        "selection_digest": selection.digest,
        "class_names": registry.names,
        "class_folders": registry.folders,
        "class_wnids": registry.wnids,
        "paths": tuple(images.paths[i] for i in chosen),
        "labels": tuple(int(images.labels[i]) for i in chosen),
    }
