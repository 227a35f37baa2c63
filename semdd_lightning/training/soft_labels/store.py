"""A folder of soft labels: a header, and one memory-mapped file for each block of passes.

Layout: ``labels.json`` says what the labels were made for, by which teacher and how they are stored;
``passes-00000-00009.safetensors`` holds the labels of ten passes, each part ``(passes, images, ...)``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from semdd_lightning import __version__
from semdd_lightning.errors import CacheError, LabelError
from semdd_lightning.prior.atomic import remove_stale_files, write_atomically
from semdd_lightning.prior.cache import content_key
from semdd_lightning.training.soft_labels.label_format import LabelFormat
from semdd_lightning.training.soft_labels.made_for import differences

HEADER = "labels.json"
VERSION = 1
BLOCK_BYTES = 256 * 2**20
BLOCK_PASSES = 10  # at most, so that several processes have blocks to share even where labels are small
_METADATA = "semdd"


@dataclass(frozen=True)
class StoreHeader:
    """What a store of labels says of itself.

    Attributes:
        made_for: what the labelled pixels depend on, as `made_for` gives it.
        teacher: the teacher's card, with ``sha256`` of its weights.
        label_format: how a label is stored.
        num_images: images M.
        passes: passes P that are stored; 1 where static.
        static: one label an image, whatever its augmentation.
        block_passes: passes in one file.
        environment: versions and hardware that the labels were made with.
        version: version of this layout.
        semdd_version: version of the package that wrote it.
    """

    made_for: dict[str, Any]
    teacher: dict[str, Any]
    label_format: LabelFormat
    num_images: int
    passes: int
    static: bool
    block_passes: int
    environment: dict[str, Any] = field(default_factory=dict)
    version: int = VERSION
    semdd_version: str = __version__

    @property
    def key(self) -> str:
        """SHA-256 (hex) of all that the stored labels depend on; every block carries it."""
        return content_key(self.identity)

    @property
    def identity(self) -> dict[str, Any]:
        """All that the stored labels depend on: not how many passes there are, so that a store can grow."""
        return {
            "version": self.version,
            "made_for": self.made_for,
            "teacher_sha256": self.teacher.get("sha256"),
            "label_format": dataclasses.asdict(self.label_format),
            "num_images": self.num_images,
            "static": self.static,
            "block_passes": self.block_passes,
        }

    @property
    def blocks(self) -> list[range]:
        """The passes of each block."""
        starts = range(0, self.passes, self.block_passes)
        return [range(start, min(start + self.block_passes, self.passes)) for start in starts]

    def to_json(self) -> str:
        """The header as a file holds it."""
        return json.dumps(dataclasses.asdict(self), indent=2, default=str) + "\n"


def passes_per_block(label_format: LabelFormat, num_images: int) -> int:
    """Passes of one file, so that it neither grows huge nor holds a crumb.

    Example:
        >>> passes_per_block(LabelFormat(10), 100), passes_per_block(LabelFormat(1000), 200_000)
        (10, 1)
    """
    return max(1, min(BLOCK_PASSES, BLOCK_BYTES // (num_images * label_format.bytes_per_label)))


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
        elif directory.is_dir() and any(directory.iterdir()):
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


def read_header(directory: Path) -> StoreHeader:
    """What a store says of itself.

    Raises:
        LabelError: if there is none that this version reads.
    """
    path = directory / HEADER
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            msg = f"version {content['version']}, this one reads {VERSION}"
            raise ValueError(msg)
        return StoreHeader(**{**content, "label_format": LabelFormat(**content["label_format"])})
    except FileNotFoundError as error:
        msg = (
            f"Expected stored soft labels in {directory.absolute()}, found no {HEADER}; make them with "
            "`semdd relabel`, whose --out is this folder."
        )
        raise LabelError(msg) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"Expected the header of stored labels in {path}, found something else ({error}); relabel."
        raise LabelError(msg) from error


def _refuse_other_labels(directory: Path, found: StoreHeader, wanted: StoreHeader) -> None:
    lines = differences(found.identity, wanted.identity)
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
