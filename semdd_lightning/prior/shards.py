"""The shards of a pool's embeddings: who encodes which, among all processes that need them, and how."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, tee
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.atomic import remove_stale_files
from semdd_lightning.errors import CacheError, PriorError
from semdd_lightning.given import EMBEDDINGS
from semdd_lightning.locks import POLL_SECONDS, Lock, remove_stale_locks
from semdd_lightning.names import get_logger
from semdd_lightning.pools import Pool
from semdd_lightning.prior.cache import FORMAT, CachedTensor, describe_folder
from semdd_lightning.prior.loaded_clip import FrozenEncoder
from semdd_lightning.prior.priors import Prior
from semdd_lightning.progress import image_progress, map_ahead
from semdd_lightning.records import content_key

_WORTH_A_BAR = 200  # images
_MOST_WORKERS = 32  # a GPU takes what some twenty cores decode
_log = get_logger(__name__)


class Shards:
    """The files of a pool's image embeddings, and the one matrix that they fill.

    Args:
        root: Root of the cache.
        pool: The pool.
        prior: The model.
        load: Loads it, if there is anything to encode.
        shard_size: Images of a shard.
        embed_dim: Columns.
    """

    def __init__(
        self,
        root: Path,
        pool: Pool,
        prior: Prior,
        load: Callable[[], FrozenEncoder],
        shard_size: int,
        embed_dim: int,
    ) -> None:
        identity = {
            "format": FORMAT,
            "prior": prior.identity(),
            "pool": pool.fingerprint,
            "shard_size": shard_size,
        }
        self.key = content_key(identity)
        self.embeddings = torch.empty(len(pool), embed_dim, dtype=torch.float32)
        self._pool, self._load, self._batch_size = pool, load, prior.batch_size
        images = range(len(pool))
        self._rows = [images[start : start + shard_size] for start in images[::shard_size]]
        folder = root / EMBEDDINGS / self.key
        self.files = [
            CachedTensor(folder / f"shard-{i:05d}.safetensors", self.key, len(rows), embed_dim)
            for i, rows in enumerate(self._rows)
        ]
        describe_folder(folder, identity)
        remove_stale_files(folder)
        remove_stale_locks(folder)

    def read(self, i: int) -> bool:
        """Enter what a file holds, if it is there and can be trusted."""
        content = self.files[i].read()
        if content is not None:
            self._enter(i, content[0])
        return content is not None

    def complete(self, missing: list[int], stall_minutes: float, *, show: bool) -> int:
        """Encode missing shards that nobody else does and read what others finish; the images encoded here.

        Args:
            missing: Numbers of those that are missing, in the order in which this process would make them.
            stall_minutes: Longest wait without a new file of another process that lives.
            show: Whether to show a progress bar.

        Raises:
            CacheError: If another process stalls.
            PriorError: If embeddings are not finite.
        """
        total, encoded, last_news = self._count(missing), 0, time.monotonic()
        _log.info("Encoding %d of %d images.", total, len(self._pool))
        worth_it = total > _WORTH_A_BAR or len(missing) > 1
        with image_progress("Encoding images", total, show=show and worth_it) as advance:
            while missing:
                own = self._encode_free(missing, advance)
                found = [i for i in missing if i not in own and self.read(i)]
                advance(self._count(found))
                encoded += self._count(own)
                missing = [i for i in missing if i not in own and i not in found]
                if own or found:
                    last_news = time.monotonic()
                elif time.monotonic() - last_news > 60 * stall_minutes:
                    raise stalled([self.files[i].path for i in missing], stall_minutes, "shards")
                elif missing:
                    time.sleep(POLL_SECONDS)
        return encoded

    def _count(self, numbers: Iterable[int]) -> int:
        return sum(len(self._rows[i]) for i in numbers)

    def _enter(self, i: int, embeddings: Tensor) -> None:
        self.embeddings[self._rows[i].start : self._rows[i].stop] = embeddings

    def _encode_free(self, missing: Sequence[int], advance: Callable[[int], None]) -> list[int]:
        """Encode and write those of the missing shards that no living process is at; their numbers."""
        held, encoded = deque[tuple[int, Lock]](), list[int]()

        def taken() -> Iterator[range]:
            for i in missing:
                lock = Lock(self.files[i].path.with_suffix(".lock"))
                if not lock.take():
                    continue
                if self.read(i):  # finished since it was missing
                    lock.give_back()
                    continue
                held.append((i, lock))
                yield self._rows[i]

        free = taken()
        try:
            for first in islice(free, 1):  # the model is not loaded for nothing
                for embeddings in encode_shards(
                    self._pool, self._load(), chain([first], free), self._batch_size, advance
                ):
                    self.files[held[0][0]].write(embeddings)
                    i, lock = held.popleft()
                    lock.give_back()
                    self._enter(i, embeddings)
                    encoded.append(i)
        finally:
            for _, lock in held:
                lock.give_back()
        return encoded


def stalled(missing: Sequence[Path], stall_minutes: float, what: str) -> CacheError:
    """What to say of processes that live and do nothing.

    Args:
        missing: Files that they were to write.
        stall_minutes: How long nothing came.
        what: What the files hold.
    """
    shown = ", ".join(path.name for path in missing[:8]) + (" ..." if len(missing) > 8 else "")
    return CacheError(
        f"Expected the other processes to write {what} into {missing[0].parent}, found nothing new "
        f"for {stall_minutes:g} minutes, {len(missing)} missing: {shown}; look at their output, or end them."
    )


def encode_shards(
    pool: Pool,
    clip: FrozenEncoder,
    shards: Iterable[range],
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[Tensor]:
    """Encode shards one after the other; each depends on its own images only.

    A batch never crosses a shard, and the last one of a shard is filled up with its last image, so every
    forward pass has the same shape whoever makes it. Shards are asked for when their first images are to be
    decoded.

    Yields:
        Unit-norm float32 embeddings on the CPU, shape ``(len(shard), d)``, shard by shard.
    """

    def load(index: int) -> NDArray[np.uint8]:
        return np.asarray(clip.resize(pool.image(index)))

    workers = min(_MOST_WORKERS, os.cpu_count() or 1)
    to_decode, to_encode = tee(shards)
    decoded = map_ahead(load, chain.from_iterable(to_decode), workers=workers, ahead=2 * batch_size)
    for shard in to_encode:
        parts: list[Tensor] = []
        for start in range(shard.start, shard.stop, batch_size):
            images = list(islice(decoded, min(batch_size, shard.stop - start)))
            parts.append(clip.encode_pixels(_batch(images, batch_size, clip.device))[: len(images)])
            advance(len(images))
        embeddings = torch.cat(parts).cpu()  # waits for the device once a shard
        _require_finite(embeddings, pool, shard.start, clip.precision)
        yield embeddings


def _batch(images: Sequence[NDArray[np.uint8]], batch_size: int, device: torch.device) -> Tensor:
    """Images in one piece of memory, filled up with the last one; pinned where a GPU fetches it."""
    pixels = torch.empty(batch_size, *images[0].shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.stack([*images, *[images[-1]] * (batch_size - len(images))], out=pixels.numpy())
    return pixels


def _require_finite(embeddings: Tensor, pool: Pool, start: int, precision: str) -> None:
    bad = torch.nonzero(~torch.isfinite(embeddings).all(dim=1)).flatten().tolist()
    if bad:
        advice = "check the weights" if precision == "fp32" else "set precision to fp32"
        msg = (
            f"Expected finite embeddings, found others for {pool.paths[start + bad[0]]} at precision "
            f"{precision}; {advice}."
        )
        raise PriorError(msg)
