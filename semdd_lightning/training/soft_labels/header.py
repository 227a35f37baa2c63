"""What a store of soft labels says of itself."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semdd_lightning import __version__
from semdd_lightning.errors import LabelError
from semdd_lightning.prior.cache import content_key
from semdd_lightning.training.soft_labels.label_format import LabelFormat

HEADER = "labels.json"
VERSION = 2
BLOCK_BYTES = 256 * 2**20
BLOCK_PASSES = 10  # at most, so that several processes have blocks to share even where labels are small


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
    teacher: dict[str, Any]
    label_format: LabelFormat
    num_images: int
    passes: int
    static: bool
    block_passes: int
    chosen: dict[str, Any] = field(default_factory=dict)
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
