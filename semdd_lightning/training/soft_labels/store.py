"""A folder of soft labels: a header, one memory-mapped file for each block of passes, and what fills it.

Layout: ``labels.json`` says what the labels were made for, by which teacher and how they are stored;
``passes-00000-00009.safetensors`` holds the labels of ten passes, each part ``(passes, images, ...)``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semdd_lightning.atomic import remove_stale_files
from semdd_lightning.data import ImageDataModule
from semdd_lightning.errors import DamageError, LabelError
from semdd_lightning.names import get_logger
from semdd_lightning.progress import image_progress
from semdd_lightning.records import write_record
from semdd_lightning.tensor_blocks import read_notes, read_tensors, write_tensors
from semdd_lightning.training.soft_labels.header import (
    HEADER,
    StoreHeader,
    chosen_by,
    differences,
    made_for,
    passes_per_block,
    read_header,
)
from semdd_lightning.training.soft_labels.label_format import LabelFormat, storing_costs

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
            DiskError: if it cannot be written.
        """
        if (directory / HEADER).is_file():
            found = read_header(directory)
            kinds = differences({"static": found.static}, {"static": header.static})
            others = "; ".join(kinds or differences(found.identity, header.identity))
            if others:
                what = f"Expected {directory} to be new or to hold these very labels, found: {others}"
                msg = f"{what}; give another --out."
                raise LabelError(msg)
            header = dataclasses.replace(found, passes=max(found.passes, header.passes))
        elif directory.is_dir() and any(not entry.name.startswith(".") for entry in directory.iterdir()):
            msg = f"Expected an empty or new folder for labels at {directory}, found files; give another."
            raise LabelError(msg)
        write_record(directory / HEADER, dataclasses.asdict(header))
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

    def write(self, block: int, passes: Sequence[Mapping[str, Tensor]], **notes: float) -> None:
        """Write a whole block atomically.

        Args:
            block: its number.
            passes: the parts of the labels of each of its passes, (M, ...) each.
            notes: numbers to keep with it.

        Raises:
            DiskError: if it cannot be written.
        """
        file = self.file(block)
        parts = {name: torch.stack([one[name] for one in passes]) for name in passes[0]}
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
            _log.info(
                "Labels in %s have no digests, as those of version 0.1: damage to them cannot be seen",
                self.directory,
            )
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


def header_of(
    data: ImageDataModule,
    teacher: dict[str, Any],
    label_format: LabelFormat,
    *,
    static: bool = False,
    batch_statistics: bool = False,
    environment: dict[str, Any] | None = None,
) -> StoreHeader:
    """The header of a store of the labels of these images; arguments as those of header and `made_for`."""
    num_images = data.planner.num_images
    return StoreHeader(
        made_for=made_for(data, static=static, batch_statistics=batch_statistics),
        teacher=teacher,
        label_format=label_format,
        num_images=num_images,
        passes=1 if static else data.drawn_passes,
        static=static,
        block_passes=passes_per_block(label_format, num_images),
        chosen=chosen_by(data),
        environment=environment or {},
    )


def write_blocks(
    store: LabelStore,
    blocks: Sequence[int],
    label_pass: Callable[[int], Tensor],
    temperature: float,
    *,
    show: bool = True,
) -> None:
    """Label the passes of some blocks and write each block when it is whole.

    Args:
        store: where to.
        blocks: this process's share of the blocks.
        label_pass: from the number of a pass to the exact logits (M, C) of all chosen images, on the CPU.
        temperature: at which the loss will look at the labels; for the cost, as `storing_costs` has it.
        show: whether to show the progress of this process.
    """
    form, images = store.header.label_format, store.header.num_images
    visits = images * sum(len(store.header.blocks[block]) for block in blocks)
    with image_progress("Labelling images", visits, after=2, show=show) as advance:
        for block in blocks:
            parts, costs = [], []
            for pass_index in store.header.blocks[block]:
                exact = label_pass(pass_index)
                parts.append(form.encode(exact))
                costs.append(storing_costs(exact, parts[-1], form, temperature))
                advance(images)
            means = {name: sum(cost[name] for cost in costs) / len(costs) for name in costs[0]}
            store.write(block, parts, **means)


def mean_costs(store: LabelStore) -> dict[str, float]:
    """`storing_costs` of all labels of a store; a temperature that only some were measured at is left out."""
    notes = [(store.notes(block), len(passes)) for block, passes in enumerate(store.header.blocks)]
    total = sum(count for _, count in notes)
    common = set.intersection(*(set(note) for note, _ in notes))
    return {name: sum(note[name] * count for note, count in notes) / total for name in sorted(common)}
