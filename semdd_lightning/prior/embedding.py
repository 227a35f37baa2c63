"""Embed a pool: what the cache has is read, what it lacks is encoded, by as many processes as there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semdd_lightning.atomic import remove_stale_files
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import CacheError
from semdd_lightning.given import cache_root
from semdd_lightning.locks import Lock
from semdd_lightning.pools import Pool
from semdd_lightning.prior.cache import FORMAT, CachedTensor, Shards, describe_folder, stalled
from semdd_lightning.prior.loaded_clip import FrozenEncoder
from semdd_lightning.prior.priors import Prior
from semdd_lightning.prior.prompts import warn_of_equal_prototypes
from semdd_lightning.records import content_key

SHARD_SIZE = 1024
"""Images of a shard: the unit that is encoded, written and handed to a rank. Part of the cache's key."""


@dataclass(frozen=True, eq=False)
class PoolEmbeddings:
    """A pool as its prior sees it; rows in path order.

    Args:
        image_embeddings: Unit-norm float32 vectors of the images, shape ``(N, d)``, on the CPU.
        text_prototypes: Unit-norm float32 vectors of the classes, shape ``(C, d)``, on the CPU; none, shape
            ``(0, d)``, of an image model that does not know the classes.
        logit_scale: The model's factor from cosine to logit.
        key: Cache key of the image embeddings.
        encoded: Images that this process encoded now; 0 if all were cached.
        text_key: Cache key of the text prototypes.
        parts: The same under each of several priors; empty under one.
    """

    image_embeddings: Tensor
    text_prototypes: Tensor
    logit_scale: float
    key: str
    encoded: int
    text_key: str = ""
    parts: tuple[PoolEmbeddings, ...] = ()


def embed_pool(
    pool: Pool,
    prior: Prior,
    *,
    device: torch.device | str = "cpu",
    cache_dir: Path | None = None,
    rank: int = 0,
    world_size: int = 1,
    progress: bool = True,
    shard_size: int = SHARD_SIZE,
    stall_minutes: float = 30.0,
) -> PoolEmbeddings:
    """Unit vectors of a pool's images and classes, through the cache.

    Whoever needs the embeddings encodes the shards that no living process is at, and waits for the others by
    looking at the files, so no collective can time out: the ranks of one run, several runs at once, and
    whoever comes after one that died. The result does not depend on who encoded.

    Args:
        pool: The pool.
        prior: The model, its prompts if it reads any, and its precision.
        device: Where to encode.
        cache_dir: Root of the cache; else SEMDD_CACHE, else the user's cache folder. Processes with a cache
            each do not share the work.
        rank: This process, from 0, which begins with shards rank, rank + world_size, ...
        world_size: Number of processes.
        progress: Whether rank 0 may show a progress bar on a terminal.
        shard_size: Images of a shard; part of the key.
        stall_minutes: Longest wait without a new file of another process that lives.

    Raises:
        PriorError: If the model cannot be had as described.
        PoolError: If an image cannot be read any more.
        CacheError: If another process stalls.
        DiskError: If the cache cannot be written.
    """
    if not 0 <= rank < world_size or shard_size < 1:
        msg = (
            "Expected 0 <= rank < world_size and shard_size >= 1, found "
            f"rank {rank}, world_size {world_size}, shard_size {shard_size}."
        )
        raise CacheError(msg)
    root = cache_root(cache_dir)
    load = cache(lambda: prior.load(device))
    text_identity = prior.text_identity(pool.registry)
    prototypes, logit_scale = _prototypes(root, text_identity, prior, pool.registry, load, stall_minutes)

    identity = {
        "format": FORMAT,
        "prior": prior.identity(),
        "pool": pool.fingerprint,
        "shard_size": shard_size,
    }
    shards = Shards(root, identity, pool, load, prior.batch_size, prototypes.shape[1])
    order = sorted(range(len(shards.files)), key=lambda i: i % world_size != rank)  # its own share first
    missing = [i for i in order if not shards.read(i)]
    encoded = shards.complete(missing, stall_minutes, show=progress and rank == 0) if missing else 0
    return PoolEmbeddings(
        image_embeddings=shards.embeddings,
        text_prototypes=prototypes,
        logit_scale=logit_scale,
        key=shards.key,
        encoded=encoded,
        text_key=content_key(text_identity),
    )


def join(parts: Sequence[PoolEmbeddings]) -> PoolEmbeddings:
    """The embeddings of one pool under several priors as one: a logit is the mean of the priors' logits.

    The vectors of a prior are scaled by the square root of its share of the sum of the logit scales and stand
    side by side; the logit scale is the mean. One prior's embeddings stay as they are.

    Args:
        parts: The embeddings under each prior, rows in the same order.
    """
    if len(parts) == 1:
        return parts[0]
    total = sum(part.logit_scale for part in parts)
    roots = [(part.logit_scale / total) ** 0.5 for part in parts]
    return PoolEmbeddings(
        torch.cat([r * part.image_embeddings for r, part in zip(roots, parts, strict=True)], dim=1),
        torch.cat([r * part.text_prototypes for r, part in zip(roots, parts, strict=True)], dim=1),
        logit_scale=total / len(parts),
        key="+".join(part.key for part in parts),
        encoded=sum(part.encoded for part in parts),
        text_key="+".join(part.text_key for part in parts),
        parts=tuple(parts),
    )


def _prototypes(
    root: Path,
    identity: Mapping[str, Any],
    prior: Any,  # noqa: ANN401 - makes prototypes of what it loads itself
    registry: ClassRegistry,
    load: Callable[[], FrozenEncoder],
    stall_minutes: float,
) -> tuple[Tensor, float]:
    """Text prototypes and logit scale out of the cache; one process makes them if need be."""
    key, names = content_key(identity), identity["names"]
    folder = root / "texts" / key
    file = CachedTensor(folder / "prototypes.safetensors", key, rows=len(names))
    content = file.read()
    if content is None:
        describe_folder(folder, identity)
        lock = Lock(file.path.with_suffix(".lock"))
        if not lock.wait(60 * stall_minutes):
            raise stalled([file.path], stall_minutes, "text prototypes")
        with lock:
            content = file.read()  # of the process that held the lock before
            if content is None:
                remove_stale_files(folder)
                encoder = load()
                made: Tensor = prior.prototypes(encoder, registry).cpu()
                file.write(made, logit_scale=encoder.logit_scale)
                return made, encoder.logit_scale
    prototypes, notes = content
    warn_of_equal_prototypes(names, prototypes)
    return prototypes, notes["logit_scale"]
