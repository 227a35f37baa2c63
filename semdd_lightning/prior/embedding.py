"""Embed a pool: what the cache has is read, what it lacks is encoded, by as many processes as there are."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semdd_lightning.atomic import remove_stale_files
from semdd_lightning.cache import cache_root
from semdd_lightning.errors import CacheError
from semdd_lightning.pools import Pool
from semdd_lightning.prior.cache import (
    FORMAT,
    SHARD_SIZE,
    CachedTensor,
    content_key,
    describe_folder,
    shard_ranges,
)
from semdd_lightning.prior.encoding import encode_shards
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.open_clip_prior import OpenClipPrior
from semdd_lightning.prior.prompts import warn_of_equal_prototypes
from semdd_lightning.prior.timm_prior import LoadedTimm, TimmPrior
from semdd_lightning.progress import image_progress

_POLL_SECONDS = 0.2
_WORTH_A_BAR = 200  # images
_log = logging.getLogger(__name__)


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
    prior: OpenClipPrior | TimmPrior,
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

    Shards of the images are shared out: rank r encodes shards r, r + world_size, ... and waits for the
    others by looking at the files, so no collective can time out. The result does not depend on who encoded.

    Args:
        pool: The pool.
        prior: The model, its prompts if it reads any, and its precision.
        device: Where to encode.
        cache_dir: Root of the cache, the same for all ranks; else SEMDD_CACHE, else the user's cache folder.
        rank: This process, from 0.
        world_size: Number of processes.
        progress: Whether rank 0 may show a progress bar on a terminal.
        shard_size: Images of a shard; part of the key.
        stall_minutes: Longest wait without a new file of another rank.

    Raises:
        PriorError: If the model cannot be had as described.
        CacheError: If an image cannot be read, the cache cannot be written, or another rank stalls.
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
    prototypes, logit_scale = _prototypes(root, text_identity, prior, load, rank, stall_minutes)

    identity = {
        "format": FORMAT,
        "prior": prior.identity(),
        "pool": pool.fingerprint,
        "shard_size": shard_size,
    }
    shards = _Shards(root, identity, len(pool), shard_size, prototypes.shape[1])
    own = range(rank, len(shards.files), world_size)
    missing = [i for i in own if not shards.read(i)]
    if missing:
        _encode_missing(pool, prior, load(), shards, missing, show=progress and rank == 0)
    others = {i: file.path for i, file in enumerate(shards.files) if i not in own}
    _await_files(others, shards.read, stall_minutes, "shards")
    return PoolEmbeddings(
        image_embeddings=shards.embeddings,
        text_prototypes=prototypes,
        logit_scale=logit_scale,
        key=shards.key,
        encoded=sum(len(shards.ranges[i]) for i in missing),
        text_key=content_key(text_identity),
    )


class _Shards:
    """The files of a pool's image embeddings, and the one matrix that they fill."""

    def __init__(
        self, root: Path, identity: Mapping[str, Any], num_images: int, shard_size: int, embed_dim: int
    ) -> None:
        self.key = content_key(identity)
        self.embeddings = torch.empty(num_images, embed_dim, dtype=torch.float32)
        self.ranges = shard_ranges(num_images, shard_size)
        folder = root / "embeddings" / self.key
        self.files = [
            CachedTensor(folder / f"shard-{i:05d}.safetensors", self.key, len(rows), embed_dim)
            for i, rows in enumerate(self.ranges)
        ]
        describe_folder(folder, identity)
        remove_stale_files(folder)

    def read(self, i: int) -> bool:
        """Enter what a file holds, if it is there and can be trusted."""
        content = self.files[i].read()
        if content is not None:
            self.enter(i, content[0])
        return content is not None

    def enter(self, i: int, embeddings: Tensor) -> None:
        """Put the embeddings of one shard in their rows."""
        self.embeddings[self.ranges[i].start : self.ranges[i].stop] = embeddings


def _encode_missing(
    pool: Pool,
    prior: OpenClipPrior | TimmPrior,
    clip: LoadedClip | LoadedTimm,
    shards: _Shards,
    missing: list[int],
    *,
    show: bool,
) -> None:
    ranges = [shards.ranges[i] for i in missing]
    total = sum(map(len, ranges))
    _log.info("Encoding %d of %d images in %d shards.", total, len(pool), len(missing))
    worth_it = total > _WORTH_A_BAR or len(missing) > 1
    with image_progress("Encoding images", total, show=show and worth_it) as advance:
        encoded = encode_shards(pool, clip, ranges, prior.batch_size, advance)
        for i, embeddings in zip(missing, encoded, strict=True):
            shards.files[i].write(embeddings)
            shards.enter(i, embeddings)


def _prototypes(
    root: Path,
    identity: Mapping[str, Any],
    prior: Any,  # noqa: ANN401 - makes prototypes of what it loads itself
    load: Callable[[], LoadedClip | LoadedTimm],
    rank: int,
    stall_minutes: float,
) -> tuple[Tensor, float]:
    """Text prototypes and logit scale out of the cache; rank 0 makes them if need be."""
    key, names = content_key(identity), identity["names"]
    folder = root / "texts" / key
    file = CachedTensor(folder / "prototypes.safetensors", key, rows=len(names))
    content = file.read()
    if content is None and rank == 0:
        clip = load()
        describe_folder(folder, identity)
        remove_stale_files(folder)
        prototypes = prior.make_prototypes(clip, identity).cpu()
        file.write(prototypes, logit_scale=repr(clip.logit_scale))
        return prototypes, clip.logit_scale
    if content is None:
        _await_files({0: file.path}, lambda _: file.read() is not None, stall_minutes, "text prototypes")
        content = file.read()
    if content is None:
        msg = (
            f"Expected {file.path} to stay in the cache, found it gone; do not clear the cache during a run."
        )
        raise CacheError(msg)
    prototypes, metadata = content
    warn_of_equal_prototypes(names, prototypes)
    return prototypes, float(metadata["logit_scale"])


def _await_files(
    files: Mapping[int, Path], read: Callable[[int], bool], stall_minutes: float, what: str
) -> None:
    """Read files as other processes finish them, each when it is whole.

    Args:
        files: The files by number.
        read: Reads the file of a number; whether it can be trusted.
        stall_minutes: Longest wait without a new file.
        what: What they hold.
    """
    missing = dict(files)
    looked_at: dict[int, tuple[int, int]] = {}
    last_arrival = time.monotonic()
    while missing:
        for i, path in list(missing.items()):
            state = _file_state(path)
            if state is None or looked_at.get(i) == state:
                continue  # a file that was refused stays refused until its owner replaces it
            looked_at[i] = state
            if read(i):
                del missing[i]
                last_arrival = time.monotonic()
        if missing:
            if time.monotonic() - last_arrival > 60 * stall_minutes:
                raise CacheError(_stalled(list(missing.values()), stall_minutes, what))
            time.sleep(_POLL_SECONDS)


def _stalled(missing: Sequence[Path], stall_minutes: float, what: str) -> str:
    shown = ", ".join(path.name for path in missing[:8]) + (" ..." if len(missing) > 8 else "")
    return (
        f"Expected the other processes to write {what} into {missing[0].parent}, found nothing "
        f"new for {stall_minutes:g} minutes, {len(missing)} missing: {shown}; look at the other processes' "
        "output, and on several nodes set SEMDD_CACHE to a folder that all of them share."
    )


def _file_state(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns
