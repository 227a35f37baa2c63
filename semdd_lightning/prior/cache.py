"""The embedding cache: content-addressed folders of tensors that are checked before they are trusted.

Layout below the root: ``embeddings/<key>/shard-00000.safetensors`` and
``texts/<key>/prototypes.safetensors``, each folder with a ``key.json`` that says in plain words what its
key was made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semdd_lightning.atomic import write_atomically
from semdd_lightning.errors import DamageError
from semdd_lightning.names import get_logger
from semdd_lightning.tensor_blocks import read_tensors, write_tensors

FORMAT = 1
"""Version of layout and encoding rules; part of every key."""

_TENSOR = "embeddings"


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
        """Write the matrix atomically.

        Args:
            tensor: Float32 matrix on the CPU, shape ``(rows, columns)``.
            notes: Numbers to keep with it.

        Raises:
            DiskError: If the folder cannot be written.
        """
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
            get_logger(__name__).warning(message, self.path, fault)
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
    """Leave in a cache folder what its key was made of, for people.

    Args:
        folder: The cache folder.
        identity: What the key was made of.

    Raises:
        DiskError: If the folder cannot be written.
    """
    content = (json.dumps(identity, indent=2, sort_keys=True) + "\n").encode()
    path = folder / "key.json"
    with suppress(OSError):  # what cannot be read is written, or said to be unwritable
        if path.read_bytes() == content:
            return
    write_atomically(path, content)
