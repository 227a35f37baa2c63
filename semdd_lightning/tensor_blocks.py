"""Tensors in a safetensors file, with a digest over them and over what was noted of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import with_config
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from semdd_lightning.atomic import write_atomically
from semdd_lightning.errors import DamageError
from semdd_lightning.records import CHANGED, RECORD, checked, content_key, in_words, parse_json

_METADATA = "semdd"


@with_config(RECORD)
@dataclass(frozen=True)
class BlockNotes:
    """What a file of tensors says of itself.

    Attributes:
        key: Key of all that its tensors depend on.
        name: Its own name, so that no file takes another's place.
        notes: Numbers that were kept with it.
        sha256: Digest of tensors and notes; labels of version 0.1 have none.
    """

    key: str
    name: str
    notes: dict[str, float] = field(default_factory=dict)
    sha256: str | None = None


def write_tensors(path: Path, key: str, tensors: Mapping[str, Tensor], notes: Mapping[str, float]) -> None:
    """Write tensors on the CPU atomically, with the key of all that they depend on and numbers to keep."""
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    own = BlockNotes(key, path.name, dict(notes), tensors_digest(whole, notes))
    entries = {name: value for name, value in asdict(own).items() if name != "notes" or value}
    # One entry, as safetensors writes several in random order and equal content shall be equal bytes.
    write_atomically(path, save(whole, {_METADATA: json.dumps(entries, sort_keys=True)}))


def read_notes(path: Path, key: str) -> BlockNotes:
    """What a file says of itself, without a look at its tensors.

    Raises:
        DamageError: If it is not whole or belongs elsewhere.
    """
    with _opened(path, key) as (_, own):
        return own


def read_tensors(path: Path, key: str) -> tuple[dict[str, Tensor], BlockNotes]:
    """Memory-mapped tensors that are what was written, and what the file says of itself.

    Names, types and shapes are the caller's to compare: it knows what they must be.

    Raises:
        DamageError: If it is not whole, was changed, or belongs elsewhere.
    """
    with _opened(path, key) as (file, own):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    if own.sha256 is not None and own.sha256 != tensors_digest(tensors, own.notes):
        raise DamageError(CHANGED)
    return tensors, own


def tensors_digest(tensors: Mapping[str, Tensor], notes: Mapping[str, float]) -> str:
    """SHA-256 (hex) of the bytes of tensors by name, and of notes where there are some."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    if notes:
        digest.update(content_key(dict(notes)).encode())
    return digest.hexdigest()


@contextmanager
def _opened(path: Path, key: str) -> Iterator[tuple[Any, BlockNotes]]:
    try:
        with safe_open(path, framework="pt") as file:
            notes = (file.metadata() or {}).get(_METADATA, "{}")
            try:
                own = checked(parse_json(notes), BlockNotes)
            except ValueError as error:
                msg = f"another description of its tensors ({in_words(error)})"
                raise DamageError(msg) from error
            if (own.key, own.name) != (key, path.name):
                msg = "that it belongs to another key or place"
                raise DamageError(msg)
            yield file, own
    except (SafetensorError, OSError) as error:
        msg = f"that it cannot be read ({error})"
        raise DamageError(msg) from error
