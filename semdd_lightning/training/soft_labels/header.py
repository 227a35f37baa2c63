"""What a store of soft labels says of itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, with_config

from semdd_lightning import __version__
from semdd_lightning.errors import LabelError
from semdd_lightning.records import RECORD, content_key, read_record, write_record
from semdd_lightning.training.soft_labels.label_format import LabelFormat
from semdd_lightning.training.teachers.teacher import check_card

HEADER = "labels.json"
VERSION: Literal[2] = 2
MOST_PASSES = 10**6
MOST_IMAGES = 10**9
BLOCK_BYTES = 256 * 2**20
BLOCK_PASSES = 10  # at most, so that several processes have blocks to share even where labels are small


@with_config(RECORD)
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
        chosen: how the images were chosen, as `chosen_by` gives it; it explains, and nothing depends on it.
        environment: versions and hardware that the labels were made with.
        version: version of this layout.
        semdd_version: version of the package that wrote it.
    """

    made_for: dict[str, Any]
    teacher: Annotated[dict[str, Any], AfterValidator(check_card)]
    label_format: LabelFormat
    num_images: Annotated[int, Field(ge=1, le=MOST_IMAGES)]
    passes: Annotated[int, Field(ge=1, le=MOST_PASSES)]
    static: bool
    block_passes: Annotated[int, Field(ge=1, le=MOST_PASSES)]
    chosen: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    version: Literal[2] = VERSION
    semdd_version: str = __version__

    def __post_init__(self) -> None:
        for name, said in (
            ("num_images", self.made_for.get("num_images", self.num_images)),
            ("num_classes", len(self.made_for.get("class_names", range(self.label_format.num_classes)))),
        ):
            stored = self.num_images if name == "num_images" else self.label_format.num_classes
            if said != stored:
                msg = f"Expected labels of {said} {name}, found {stored}; relabel."
                raise LabelError(msg)

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
            "label_format": self.label_format.identity,
            "num_images": self.num_images,
            "static": self.static,
            "block_passes": self.block_passes,
        }

    @property
    def blocks(self) -> list[range]:
        """The passes of each block."""
        starts = range(0, self.passes, self.block_passes)
        return [range(start, min(start + self.block_passes, self.passes)) for start in starts]

    def write(self, directory: Path) -> None:
        """Write the header into a store.

        Raises:
            DiskError: if it cannot be written.
        """
        write_record(directory / HEADER, dataclasses.asdict(self))


def passes_per_block(label_format: LabelFormat, num_images: int) -> int:
    """Passes of one file, so that it neither grows huge nor holds a crumb.

    Examples:
        >>> passes_per_block(LabelFormat(10), 100), passes_per_block(LabelFormat(1000), 200_000)
        (10, 1)
    """
    return max(1, min(BLOCK_PASSES, BLOCK_BYTES // (num_images * label_format.bytes_per_label)))


def read_header(directory: Path) -> StoreHeader:
    """What a store says of itself.

    Raises:
        LabelError: if there is none that this version reads.
    """
    path = directory / HEADER
    if not path.is_file():
        msg = (
            f"Expected stored soft labels in {directory.absolute()}, found no {HEADER}; make them with "
            "`semdd relabel`, whose --out is this folder."
        )
        raise LabelError(msg)
    return read_record(path, StoreHeader, LabelError, "relabel into another folder")
