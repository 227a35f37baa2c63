"""Images of a pool to unit vectors: decoding in threads ahead of a model that takes fixed batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import torch
from torch import Tensor

from semdd_lightning.errors import CacheError, PriorError
from semdd_lightning.pools import Pool, decode_image
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.threads import map_ahead


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
            return clip.preprocess(decode_image(pool.read(index)))
        except OSError as error:
            msg = (
                f"Expected {pool.paths[index]} of {pool.root} to be readable, as it was when the pool was "
                f"indexed, found {error}; restore the image or index the pool anew."
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


def _require_finite(embeddings: Tensor, pool: Pool, start: int, precision: str) -> None:
    bad = torch.nonzero(~torch.isfinite(embeddings).all(dim=1)).flatten().tolist()
    if bad:
        advice = "check the weights" if precision == "fp32" else "set precision to fp32"
        msg = (
            f"Expected finite embeddings, found others for {pool.paths[start + bad[0]]} at precision "
            f"{precision}; {advice}."
        )
        raise PriorError(msg)
