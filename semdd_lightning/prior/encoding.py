"""Images of a pool to unit vectors: decoding in threads ahead of a model that takes fixed batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, tee

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.errors import CacheError, PriorError
from semdd_lightning.pools import Pool, decode_image
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.timm_prior import LoadedTimm
from semdd_lightning.threads import map_ahead

Encoder = LoadedClip | LoadedTimm

_MOST_WORKERS = 32  # a GPU takes what some twenty cores decode


def encode_shards(
    pool: Pool,
    clip: Encoder,
    shards: Iterable[range],
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[Tensor]:
    """Encode shards one after the other; each depends on its own images only.

    A batch never crosses a shard, and the last one of a shard is filled up with its last image, so every
    forward pass has the same shape whoever makes it.

    Args:
        pool: The pool.
        clip: The model.
        shards: Image indices of each shard, asked for when their first images are to be decoded.
        batch_size: Images of one forward pass.
        advance: Called with the number of images after each batch.

    Yields:
        Unit-norm float32 embeddings on the CPU, shape ``(len(shard), d)``, shard by shard.

    Raises:
        CacheError: If an image of the pool cannot be read any more.
        PriorError: If the model returns values that are not finite.
    """

    def load(index: int) -> NDArray[np.uint8]:
        try:
            return np.asarray(clip.resize(decode_image(pool.read(index))))
        except OSError as error:
            msg = (
                f"Expected {pool.paths[index]} of {pool.root} to be readable, as it was when the pool was "
                f"indexed, found {error}; restore the image or index the pool anew."
            )
            raise CacheError(msg) from error

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
