"""What a store of soft labels says of itself: what they were made for, by which teacher, and how they lie."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, with_config

from semdd_lightning import __version__
from semdd_lightning.data import ImageDataModule, PoolDataModule
from semdd_lightning.data.passes import PassPlan
from semdd_lightning.errors import LabelError
from semdd_lightning.records import RECORD, content_key, read_record
from semdd_lightning.training.checkpoint_card import plain
from semdd_lightning.training.soft_labels.label_format import LabelFormat
from semdd_lightning.training.teachers.teacher import check_card

HEADER = "labels.json"
MOST_PASSES = 10**6
MOST_IMAGES = 10**9
BLOCK_BYTES = 256 * 2**20
BLOCK_PASSES = 10  # at most, so that several processes have blocks to share even where labels are small
_DIGEST = re.compile("[0-9a-f]{64}")


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
        static: one label per image, whatever its augmentation.
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
    version: Literal[2] = 2
    semdd_version: str = __version__

    def __post_init__(self) -> None:
        stored = {"num_images": self.num_images, "num_classes": self.label_format.num_classes}
        said = {**stored, **self.made_for}
        if "class_names" in said:
            said["num_classes"] = len(said["class_names"])
        for name, count in stored.items():
            if said[name] != count:
                msg = f"Expected labels of {said[name]} {name}, found {count}; relabel."
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


def passes_per_block(label_format: LabelFormat, num_images: int) -> int:
    """Passes of one file, so that it neither grows huge nor holds a crumb."""
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


def made_for_config(data: ImageDataModule, *, static: bool) -> dict[str, Any]:
    """What a config alone tells, before an image is read; arguments as those of `made_for`."""
    known: dict[str, Any] = {"class_names": list(data.registry.names), "image_size": data.image_size}
    drawn = {"augmentation": plain(data.augmentation), "augmentation_seed": data.drawing_seed}
    return known if static else known | drawn


def made_for(data: ImageDataModule, *, static: bool, batch_statistics: bool = False) -> dict[str, Any]:
    """Everything that the pixels of the labelled images depend on, known from ``setup('fit')`` on.

    Args:
        data: the data module.
        static: one label per image, whatever its augmentation.
        batch_statistics: whether the teacher takes the statistics of each batch; then labels know its size.

    Raises:
        LabelError: if the images were not selected from a pool, so that nothing identifies them.
    """
    digest = data.training_digest
    if digest is None:
        msg = (
            "Expected images selected from a pool, found a data module without a selection; stored labels "
            "need to know their images: use PoolDataModule."
        )
        raise LabelError(msg)
    pool, _, selection = digest.partition(":")
    planner = data.planner
    known = made_for_config(data, static=static)
    known |= {"pool": pool, "selection": selection, "num_images": planner.num_images}
    if not static:
        mixed = data.augmentation.mix != "none"
        known["mixing_group"] = min(planner.group_size, planner.num_images) if mixed else None
        known["draws"] = draws_digest(planner.plan(0))
    if batch_statistics:
        known["teacher_batch_size"] = min(data.batch_size, planner.num_images)
    return known


def chosen_by(data: ImageDataModule) -> dict[str, Any]:
    """How the images were chosen, in the words of a config: these explain why digests are not the same."""
    if not isinstance(data, PoolDataModule) or data.selected is None:
        return {}
    manifest = data.selected.manifest
    prior = manifest.prior
    chosen: dict[str, Any] = plain(
        {
            "pool_root": manifest.pool_root,
            "sampler": {"name": manifest.sampler_name, **manifest.sampler["init_args"]},
            "ipc": manifest.ipc,
            "selection_seed": manifest.selection_seed,
            "prior": prior["init_args"] if isinstance(prior, dict) else [p["init_args"] for p in prior],
        }
    )
    return chosen


def draws_digest(plan: PassPlan) -> str:
    """SHA-256 (hex) over all draws of a pass: other code or another generator would draw something else."""
    digest = hashlib.sha256()
    for tensor in (plan.order, *plan.draws, plan.partners, *chain(*plan.mixes)):
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def differences(stored: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What is not the same, one line each: in the store, and here.

    Args:
        stored: what labels were made for.
        found: what they are to be used for; what it does not mention is not compared.

    Examples:
        >>> differences({"image_size": 32, "augmentation": {"mix": "cutmix"}}, {"image_size": 64})
        ['image_size is 32 in the store, 64 here']
    """
    lines = []
    for key, value in plain(dict(found)).items():
        there = stored.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            lines += [f"{key}.{line}" for line in differences(there, value)]
        elif there != value:
            lines.append(f"{key} is {_short(there)} in the store, {_short(value)} here")
    causes = [line for line in lines if not line.startswith("draws ")]  # which follow from what is drawn
    return causes or lines


def refuse_differences(
    path: object,
    stored: Mapping[str, Any],
    found: Mapping[str, Any],
    chosen: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> None:
    """See that labels are used for what they were made for.

    Args:
        path: the store, for the message.
        stored: what labels were made for.
        found: what they are to be used for.
        chosen: how the images were chosen, there and here; said where the images are others.

    Raises:
        LabelError: if they are not.
    """
    lines = differences(stored, found)
    if not lines:
        return
    advice = "give the config that it was made with, or make the labels again with `semdd relabel`"
    changed = {line.split(" ")[0] for line in lines}
    if changed & {"pool", "selection"}:
        lines += differences(*chosen)
    replayed = {"mixing_group": "mixing_group", "augmentation_seed": "replay_seed"}
    if changed <= replayed.keys():
        advice = "give " + " ".join(f"--data.{replayed[key]} {stored[key]}" for key in sorted(changed))
    msg = f"Expected the soft labels in {path} to be made for this run, found: {'; '.join(lines)}; {advice}."
    raise LabelError(msg)


def _short(value: object) -> str:
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return f"{value[:12]}..."
    if isinstance(value, list) and len(value) > 5:
        return f"[{', '.join(map(str, value[:3]))}, ... {len(value)} of them]"
    return str(value)
