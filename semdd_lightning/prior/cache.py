"""The embedding cache: tensors that are checked before they are trusted, and which process makes which.

Layout below the root: ``embeddings/<key>/shard-00000.safetensors`` and
``texts/<key>/prototypes.safetensors``, each folder with a ``key.json`` that says in plain words what its
key was made of.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, tee
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.atomic import remove_stale_files, write_atomically
from semdd_lightning.errors import CacheError, DamageError, PriorError
from semdd_lightning.given import EMBEDDINGS
from semdd_lightning.locks import POLL_SECONDS, Lock, remove_stale_locks
from semdd_lightning.names import get_logger
from semdd_lightning.pools import Pool
from semdd_lightning.prior.loaded_clip import FrozenEncoder
from semdd_lightning.progress import image_progress, map_ahead
from semdd_lightning.records import content_key
from semdd_lightning.tensor_blocks import read_tensors, write_tensors

FORMAT = 1
"""Version of layout and encoding rules; part of every key."""

_TENSOR = "embeddings"
_WORTH_A_BAR = 200  # images
_MOST_WORKERS = 32  # a GPU takes what some twenty cores decode
_log = get_logger(__name__)


@dataclass(frozen=True)
class CachedTensor:
    """One float32 matrix in a file, with what tells whether it is the right one and whole.

    Args:
        path: The file.
        key: Key of the cache folder that it belongs to.
        rows: Rows that it must have.
        columns: Columns that it must have; None if any number is right.
    """

    path: Path
    key: str
    rows: int
    columns: int | None = None

    def write(self, tensor: Tensor, **notes: float) -> None:
        """Write the matrix, float32 on the CPU, shape ``(rows, columns)``, and numbers to keep with it."""
        write_tensors(self.path, self.key, {_TENSOR: tensor}, notes)

    def read(self) -> tuple[Tensor, dict[str, float]] | None:
        """The matrix and the numbers kept with it; None if there is none that can be trusted."""
        try:
            self.path.stat()
        except OSError:  # none there, or nobody may look; whoever writes it will say so
            return None
        try:
            tensors, own = read_tensors(self.path, self.key)
            fault = "no digest" if own.sha256 is None else self._fault(tensors)
        except DamageError as error:
            fault = str(error)
        if fault:
            message = "%s is not trusted and has to be made again; found in it: %s."
            _log.warning(message, self.path, fault)
            return None
        return tensors[_TENSOR].clone(), own.notes  # a copy, as the file may be replaced

    def _fault(self, tensors: Mapping[str, Tensor]) -> str:
        tensor = tensors.get(_TENSOR)
        if tensor is None or len(tensors) > 1:
            return f"other tensors ({', '.join(tensors) or 'none'})"
        if tensor.dtype != torch.float32 or tensor.ndim != 2 or len(tensor) != self.rows:
            return f"{tuple(tensor.shape)} of {tensor.dtype} in place of {self.rows} float32 rows"
        if self.columns is not None and tensor.shape[1] != self.columns:
            return f"{tensor.shape[1]} columns in place of {self.columns}"
        return "" if bool(torch.isfinite(tensor).all()) else "values that are not finite"


def describe_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    """Leave in a cache folder what its key was made of, for people."""
    content = (json.dumps(identity, indent=2, sort_keys=True) + "\n").encode()
    path = folder / "key.json"
    with suppress(OSError):  # what cannot be read is written, or said to be unwritable
        if path.read_bytes() == content:
            return
    write_atomically(path, content)


class Shards:
    """The files of a pool's image embeddings, and the one matrix that they fill.

    Args:
        root: Root of the cache.
        identity: What the embeddings depend on, ``shard_size`` among it.
        pool: The pool.
        load: Loads the model, if there is anything to encode.
        batch_size: Images of one forward pass.
        embed_dim: Columns.
    """

    def __init__(
        self,
        root: Path,
        identity: Mapping[str, Any],
        pool: Pool,
        load: Callable[[], FrozenEncoder],
        batch_size: int,
        embed_dim: int,
    ) -> None:
        self.key = content_key(identity)
        self.embeddings = torch.empty(len(pool), embed_dim, dtype=torch.float32)
        self._pool, self._load, self._batch_size = pool, load, batch_size
        images, shard_size = range(len(pool)), identity["shard_size"]
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
            missing: Their numbers, in the order in which this process would make them.
            stall_minutes: Longest wait without a new file of another process that lives.
            show: Whether to show a progress bar.
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
    """What to say of processes that live and do nothing, so that some of their files are missing."""
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
        embeddings = torch.cat(parts).cpu()  # waits for the device once per shard
        bad = torch.nonzero(~torch.isfinite(embeddings).all(dim=1)).flatten().tolist()
        if bad:
            advice = "check the weights" if clip.precision == "fp32" else "set precision to fp32"
            msg = (
                f"Expected finite embeddings, found others for {pool.paths[shard.start + bad[0]]} at "
                f"precision {clip.precision}; {advice}."
            )
            raise PriorError(msg)
        yield embeddings


def _batch(images: Sequence[NDArray[np.uint8]], batch_size: int, device: torch.device) -> Tensor:
    """Images in one piece of memory, filled up with the last one; pinned where a GPU fetches it."""
    pixels = torch.empty(batch_size, *images[0].shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.stack([*images, *[images[-1]] * (batch_size - len(images))], out=pixels.numpy())
    return pixels
