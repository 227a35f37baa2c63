"""Images of a pool to unit vectors: decoding in threads ahead of a model that takes fixed batches."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

import torch
from torch import Tensor

from semdd_lightning.errors import CacheError, PriorError
from semdd_lightning.pools import Pool, read_image
from semdd_lightning.prior.loaded_clip import LoadedClip

T = TypeVar("T")
R = TypeVar("R")


def encode_shards(
    pool: Pool,
    clip: LoadedClip,
    shards: Sequence[range],
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[Tensor]:
    """Encode shards one after the other; each depends on its own images only.

    A batch never crosses a shard, and the last one of a shard is filled up with its last image, so every
    forward pass has the same shape whoever makes it.

    Args:
        pool: The pool.
        clip: The model.
        shards: Image indices of each shard.
        batch_size: Images of one forward pass.
        advance: Called with the number of images after each batch.

    Yields:
        Unit-norm float32 embeddings on the CPU, shape ``(len(shard), d)``, shard by shard.

    Raises:
        CacheError: If an image of the pool cannot be read any more.
        PriorError: If the model returns values that are not finite.
    """

    def load(index: int) -> Tensor:
        try:
            return clip.preprocess(read_image(pool.file(index)))
        except OSError as error:
            msg = (
                f"Expected the pool's image {pool.file(index)} to be readable, as it was when the pool was "
                f"indexed, found {error}; restore the file or index the pool anew."
            )
            raise CacheError(msg) from error

    workers = min(8, os.cpu_count() or 1)
    decoded = map_ahead(load, chain.from_iterable(shards), workers=workers, ahead=2 * batch_size)
    for shard in shards:
        parts: list[Tensor] = []
        for start in range(shard.start, shard.stop, batch_size):
            images = list(islice(decoded, min(batch_size, shard.stop - start)))
            padding = [images[-1]] * (batch_size - len(images))
            parts.append(clip.encode_images(torch.stack(images + padding))[: len(images)].cpu())
            _require_finite(parts[-1], pool, start, clip.precision)
            advance(len(images))
        yield torch.cat(parts)


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Iterator[R]:
    """Map in threads, in order, at most `ahead` results in advance of the reader.

    Args:
        function: What to do with each item.
        items: The items.
        workers: Threads.
        ahead: Bound on results that wait, at least 1.

    >>> list(map_ahead(lambda x: x * x, range(4), workers=2, ahead=2))
    [0, 1, 4, 9]
    """
    executor = ThreadPoolExecutor(workers, thread_name_prefix="semdd-decode")
    waiting: deque[Future[R]] = deque()
    remaining = iter(items)
    try:
        waiting.extend(executor.submit(function, item) for item in islice(remaining, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(executor.submit(function, item) for item in islice(remaining, 1))
            yield result
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _require_finite(embeddings: Tensor, pool: Pool, start: int, precision: str) -> None:
    bad = torch.nonzero(~torch.isfinite(embeddings).all(dim=1)).flatten().tolist()
    if bad:
        advice = "check the weights" if precision == "fp32" else "set precision to fp32"
        msg = (
            f"Expected finite embeddings, found others for {pool.paths[start + bad[0]]} at precision "
            f"{precision}; {advice}."
        )
        raise PriorError(msg)
