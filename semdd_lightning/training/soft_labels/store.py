"""A folder of soft labels: a header, and one memory-mapped file for each block of passes.

Layout: ``labels.json`` says what the labels were made for, by which teacher and how they are stored;
``passes-00000-00009.safetensors`` holds the labels of ten passes, each part ``(passes, images, ...)``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from semdd_lightning.atomic import remove_stale_files, write_atomically
from semdd_lightning.errors import CacheError, LabelError
from semdd_lightning.training.soft_labels.header import HEADER, StoreHeader, read_header
from semdd_lightning.training.soft_labels.made_for import differences

_METADATA = "semdd"


class LabelStore:
    """Reads and writes the labels of one folder.

    Args:
        directory: the folder.
        header: what it says of itself.
    """

    def __init__(self, directory: Path, header: StoreHeader) -> None:
        self.directory = directory
        self.header = header
        self._opened: dict[int, dict[str, Tensor]] = {}

    @classmethod
    def open(cls, directory: Path) -> LabelStore:
        """A store that is there; blocks are mapped when they are first asked for.

        Raises:
            LabelError: if there is none that this version reads.
        """
        return cls(directory, read_header(directory))

    @classmethod
    def create(cls, directory: Path, header: StoreHeader) -> LabelStore:
        """A new store, or one of the same labels to go on with; it may grow by passes.

        Raises:
            LabelError: if there is something else.
        """
        if (directory / HEADER).is_file():
            found = read_header(directory)
            _refuse_other_labels(directory, found, header)
            header = dataclasses.replace(found, passes=max(found.passes, header.passes))
        elif directory.is_dir() and any(not entry.name.startswith(".") for entry in directory.iterdir()):
            msg = f"Expected an empty or new folder for labels at {directory}, found files; give another."
            raise LabelError(msg)
        _write(directory / HEADER, header.to_json().encode())
        remove_stale_files(directory)
        return cls(directory, header)

    def file(self, block: int) -> Path:
        """Where a block lies."""
        passes = self.header.blocks[block]
        return self.directory / f"passes-{passes.start:05d}-{passes.stop - 1:05d}.safetensors"

    def missing(self) -> list[int]:
        """Blocks that are not there as a whole."""
        return [block for block in range(len(self.header.blocks)) if not self.file(block).is_file()]

    def require_complete(self) -> None:
        """See that all blocks are there.

        Raises:
            LabelError: if not.
        """
        missing, total = self.missing(), len(self.header.blocks)
        if missing:
            msg = (
                f"Expected all {total} files of labels in {self.directory}, found {total - len(missing)}; "
                "give the same `semdd relabel` again, it goes on where it stopped."
            )
            raise LabelError(msg)

    def write(self, block: int, parts: Mapping[str, Tensor], **notes: float) -> None:
        """Write a whole block atomically.

        Args:
            block: its number.
            parts: each part of its labels, (passes, M, ...).
            notes: numbers to keep with it.
        """
        file = self.file(block)
        identity = {"key": self.header.key, "name": file.name}
        metadata = {_METADATA: json.dumps({**identity, "notes": notes}, sort_keys=True)}
        _write(file, save({name: part.contiguous() for name, part in parts.items()}, metadata))
        for shorter in self.directory.glob(f"passes-{self.header.blocks[block].start:05d}-*.safetensors"):
            if shorter != file:  # of a store that has grown since
                shorter.unlink(missing_ok=True)
        self._opened.pop(block, None)

    def read(self, pass_index: int, rows: Tensor) -> dict[str, Tensor]:
        """Stored parts of the labels of chosen images in one pass, each (n, ...); only their pages are read.

        Args:
            pass_index: the pass; a static store has only 0.
            rows: chosen images, (n,), on the CPU.
        """
        block, place = divmod(pass_index, self.header.block_passes)
        if block not in self._opened:
            self._opened[block] = self._open(block)
        return {name: part[place, rows] for name, part in self._opened[block].items()}

    def notes(self, block: int) -> dict[str, float]:
        """The numbers that were kept with a block."""
        with _opening(self.file(block)) as file:
            notes: dict[str, float] = self._checked_metadata(block, file)["notes"]
            return notes

    @property
    def stored_bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.directory.iterdir() if path.is_file())

    def _open(self, block: int) -> dict[str, Tensor]:
        with _opening(self.file(block)) as file:
            self._checked_metadata(block, file)
            parts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        shape = (len(self.header.blocks[block]), self.header.num_images)
        expected = {
            name: (dtype, (*shape, *rest)) for name, (dtype, rest) in self.header.label_format.parts.items()
        }
        found = {name: (part.dtype, tuple(part.shape)) for name, part in parts.items()}
        if found != expected:
            msg = f"Expected {expected} in {self.file(block)}, found {found}; remove it and relabel."
            raise LabelError(msg)
        return parts

    def _checked_metadata(self, block: int, file: Any) -> dict[str, Any]:  # noqa: ANN401 - safetensors has no types
        metadata: dict[str, Any] = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
        if (metadata.get("key"), metadata.get("name")) != (self.header.key, self.file(block).name):
            msg = f"Expected labels of this store in {self.file(block)}, found others; remove it and relabel."
            raise LabelError(msg)
        return metadata


def _refuse_other_labels(directory: Path, found: StoreHeader, wanted: StoreHeader) -> None:
    kinds = differences({"static": found.static}, {"static": wanted.static})
    lines = kinds or differences(found.identity, wanted.identity)
    if lines:
        msg = (
            f"Expected {directory} to be new or to hold these very labels, found: {'; '.join(lines)}; give "
            "another --out."
        )
        raise LabelError(msg)


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except CacheError as error:
        msg = f"Expected to write {path}, found {error.__cause__}; free disk space or give another folder."
        raise LabelError(msg) from error


def _opening(path: Path) -> Any:  # noqa: ANN401 - safetensors has no types
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        msg = f"Expected whole labels in {path}, found that it cannot be read ({error}); remove it, relabel."
        raise LabelError(msg) from error


def block_tensors(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Passes, each a mapping of parts (M, ...), as one block of parts (passes, M, ...)."""
    return {name: torch.stack([one[name] for one in parts]) for name in parts[0]}
