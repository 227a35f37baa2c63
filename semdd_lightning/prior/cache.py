"""The embedding cache: content-addressed folders of tensors that are checked before they are trusted.

Layout below the root: ``embeddings/<key>/shard-00000.safetensors`` and
``texts/<key>/prototypes.safetensors``, each folder with a ``key.json`` that says in plain words what its
key was made of.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from semdd_lightning.atomic import write_atomically

SHARD_SIZE = 1024
"""Images of a shard: the unit that is encoded, written and handed to a rank. Part of the cache's key."""

FORMAT = 1
"""Version of layout and encoding rules; part of every key."""

_TENSOR = "embeddings"
_METADATA = "semdd"
_log = logging.getLogger(__name__)


def content_key(identity: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of an identity; the order of its entries plays no part.

    Args:
        identity: Plain JSON values.

    >>> content_key({"a": 1, "b": (2,)}) == content_key({"b": [2], "a": 1})
    True
    """
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


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

    def write(self, tensor: Tensor, **notes: str) -> None:
        """Write the matrix atomically.

        Args:
            tensor: Float32 matrix on the CPU, shape ``(rows, columns)``.
            notes: Further metadata.

        Raises:
            CacheError: If the folder cannot be written.
        """
        tensor = tensor.contiguous()
        metadata = {**notes, "key": self.key, "name": self.path.name, "sha256": _digest(tensor)}
        # One entry, as safetensors writes several in random order and equal content shall be equal bytes.
        header = {_METADATA: json.dumps(metadata, sort_keys=True)}
        write_atomically(self.path, save({_TENSOR: tensor}, header))

    def read(self) -> tuple[Tensor, dict[str, str]] | None:
        """The matrix and its metadata; None if there is none that can be trusted."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
                tensor: Tensor = file.get_tensor(_TENSOR).clone()
        except (SafetensorError, OSError, ValueError) as error:
            _distrust(self.path, f"it cannot be read ({error})")
            return None
        fault = self._fault(tensor, metadata)
        if fault:
            _distrust(self.path, fault)
            return None
        return tensor, metadata

    def _fault(self, tensor: Tensor, metadata: Mapping[str, str]) -> str:
        if metadata.get("key") != self.key or metadata.get("name") != self.path.name:
            return "it belongs to another key or place"
        if tensor.dtype != torch.float32 or tensor.ndim != 2 or len(tensor) != self.rows:
            return f"expected {self.rows} float32 rows, found {tuple(tensor.shape)} of {tensor.dtype}"
        if self.columns is not None and tensor.shape[1] != self.columns:
            return f"expected {self.columns} columns, found {tensor.shape[1]}"
        if not bool(torch.isfinite(tensor).all()):
            return "it holds values that are not finite"
        return "" if metadata.get("sha256") == _digest(tensor) else "its checksum does not fit"


def describe_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    """Leave in a cache folder what its key was made of, for people.

    Args:
        folder: The cache folder.
        identity: What the key was made of.

    Raises:
        CacheError: If the folder cannot be written.
    """
    content = (json.dumps(identity, indent=2, sort_keys=True) + "\n").encode()
    path = folder / "key.json"
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)


def shard_ranges(num_images: int, shard_size: int) -> tuple[range, ...]:
    """The images of each shard, in path order.

    Args:
        num_images: Images of the pool, N.
        shard_size: Images of a shard, at least 1.

    >>> shard_ranges(5, 2)
    (range(0, 2), range(2, 4), range(4, 5))
    """
    return tuple(
        range(start, min(start + shard_size, num_images)) for start in range(0, num_images, shard_size)
    )


def _distrust(path: Path, reason: str) -> None:
    _log.warning("%s is not trusted and has to be made again: %s.", path, reason)


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.numpy().data).hexdigest()
