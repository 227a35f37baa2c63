"""A folder of soft labels: a header, and one memory-mapped file for each block of passes.

Layout: ``labels.json`` says what the labels were made for, by which teacher and how they are stored;
``passes-00000-00009.safetensors`` holds the labels of ten passes, each part ``(passes, images, ...)``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from semdd_lightning.atomic import remove_stale_files
from semdd_lightning.errors import DamageError, LabelError
from semdd_lightning.names import get_logger
from semdd_lightning.tensor_blocks import read_notes, read_tensors, write_tensors
from semdd_lightning.training.soft_labels.header import HEADER, StoreHeader, read_header
from semdd_lightning.training.soft_labels.made_for import differences

_UNSEEN = "damage to them cannot be seen"
_log = get_logger(__name__)


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
        self._said = False  # that there are no digests

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
        header.write(directory)
        remove_stale_files(directory)
        return cls(directory, header)

    def file(self, block: int) -> Path:
        """Where a block lies."""
        passes = self.header.blocks[block]
        return self.directory / f"passes-{passes.start:05d}-{passes.stop - 1:05d}.safetensors"

    def missing(self) -> list[int]:
        """Blocks that are not there as a whole."""
        return [block for block in range(len(self.header.blocks)) if not self.file(block).is_file()]

    def require_whole(self) -> None:
        """See that all blocks are there and hold what was written: each is read once.

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
        for block in range(total):
            self._read(block)

    def write(self, block: int, parts: Mapping[str, Tensor], **notes: float) -> None:
        """Write a whole block atomically.

        Args:
            block: its number.
            parts: each part of its labels, (passes, M, ...).
            notes: numbers to keep with it.

        Raises:
            DiskError: if it cannot be written.
        """
        file = self.file(block)
        write_tensors(file, self.header.key, parts, notes)
        for shorter in self.directory.glob(f"passes-{self.header.blocks[block].start:05d}-*.safetensors"):
            if shorter != file:  # of a store that has grown since
                shorter.unlink(missing_ok=True)
        self._opened.pop(block, None)

    def read(self, pass_index: int, rows: Tensor) -> dict[str, Tensor]:
        """Stored parts of the labels of chosen images in one pass, each (n, ...).

        A block is mapped into memory, and its digest compared, when it is first asked for.

        Args:
            pass_index: the pass; a static store has only 0.
            rows: chosen images, (n,), on the CPU.

        Raises:
            LabelError: if the block is not what was written.
        """
        block, place = divmod(pass_index, self.header.block_passes)
        if block not in self._opened:
            self._opened[block] = self._read(block)
        return {name: part[place, rows] for name, part in self._opened[block].items()}

    def notes(self, block: int) -> dict[str, float]:
        """The numbers that were kept with a block."""
        with self._undamaged(block) as file:
            return read_notes(file, self.header.key).notes

    @property
    def stored_bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.directory.iterdir() if path.is_file())

    def _read(self, block: int) -> dict[str, Tensor]:
        with self._undamaged(block) as file:
            parts, own = read_tensors(file, self.header.key)
            shape = (len(self.header.blocks[block]), self.header.num_images)
            form = self.header.label_format.parts
            expected = {name: (dtype, (*shape, *rest)) for name, (dtype, rest) in form.items()}
            found = {name: (part.dtype, tuple(part.shape)) for name, part in parts.items()}
            if found != expected:
                msg = f"{found} in place of {expected}"
                raise DamageError(msg)
        if own.sha256 is None and not self._said:
            self._said = True
            _log.info("Labels in %s have no digests, as those of version 0.1: %s", self.directory, _UNSEEN)
        return parts

    @contextmanager
    def _undamaged(self, block: int) -> Iterator[Path]:
        file = self.file(block)
        try:
            yield file
        except DamageError as error:
            msg = (
                f"Expected whole labels of this store in {file}, found {error}; remove that file and give "
                "the same `semdd relabel` again."
            )
            raise LabelError(msg) from error


def _refuse_other_labels(directory: Path, found: StoreHeader, wanted: StoreHeader) -> None:
    kinds = differences({"static": found.static}, {"static": wanted.static})
    lines = kinds or differences(found.identity, wanted.identity)
    if lines:
        msg = (
            f"Expected {directory} to be new or to hold these very labels, found: {'; '.join(lines)}; give "
            "another --out."
        )
        raise LabelError(msg)


def block_tensors(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Passes, each a mapping of parts (M, ...), as one block of parts (passes, M, ...)."""
    return {name: torch.stack([one[name] for one in parts]) for name in parts[0]}
