"""Where soft labels come from: a teacher that looks at every batch, or once at every image, or a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from semdd_lightning.audit import Audit
from semdd_lightning.data import ImageDataModule, TrainingImages
from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier
from semdd_lightning.errors import LabelError
from semdd_lightning.names import get_logger
from semdd_lightning.training.losses import SoftLabelLoss, mean_logits, mixed_logits
from semdd_lightning.training.soft_labels.header import (
    chosen_by,
    made_for,
    made_for_config,
    refuse_differences,
)
from semdd_lightning.training.soft_labels.store import LabelStore, mean_costs
from semdd_lightning.training.teachers.checked import checked_teacher
from semdd_lightning.training.teachers.teacher import Teacher

logger = get_logger(__name__)
_PLAIN_BATCH = 250  # images that a teacher labels at once


@dataclass(frozen=True)
class LabelRequest:
    """What labels are needed for.

    Attributes:
        data: the data module; its images are there from ``setup('fit')`` on.
        context: what a teacher may need to know.
        loss: what compares student and labels.
        temperature: of the loss.
        batch_statistics: whether the teacher takes the statistics of each batch.
    """

    data: ImageDataModule
    context: ClassifierContext
    loss: SoftLabelLoss
    temperature: float
    batch_statistics: bool


class OpenedLabels(NamedTuple):
    """Labels that a student can learn from.

    Attributes:
        labels: from a batch to the teacher's logits of its images, (B, C).
        card: of the teacher behind it.
        audit: what the teacher saw of the pool, where it was asked and differs with the folders.
        teacher: the teacher itself, where it looks at every batch.
    """

    labels: Callable[[TrainingImages], Tensor]
    card: dict[str, Any]
    audit: Audit | None = None
    teacher: FrozenClassifier | None = None


class SoftLabels(ABC):
    """Describes where soft labels come from; cheap until opened."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """What a result says of its labels: their ``kind``, and of stored ones what they are and take."""

    @abstractmethod
    def check(self, request: LabelRequest) -> None:
        """Find out, before anything expensive runs, whether the labels can fit.

        Raises:
            LabelError: if they do not.
            TeacherError: if there is no such teacher or it does not fit the classes.
        """

    @abstractmethod
    def open(self, request: LabelRequest) -> OpenedLabels:
        """What labels batches, and the teacher behind it.

        Raises:
            LabelError: if the labels are not those of the chosen images.
            TeacherError: if the teacher is at chance.
        """


@dataclass(frozen=True)
class _TeachersLabels(SoftLabels):
    teacher: Teacher

    def check(self, request: LabelRequest) -> None:
        self.teacher.check(request.context)


class _OnlineLabels(_TeachersLabels):
    """What a teacher says of every batch, of the very pixels that the student sees."""

    def record(self) -> dict[str, Any]:
        return {"kind": "online"}

    def open(self, request: LabelRequest) -> OpenedLabels:
        frozen, card, audit = checked_teacher(self.teacher, request.context, request.data)
        if request.batch_statistics:
            frozen.use_batch_statistics()
            if (count := request.data.process[1]) > 1:
                logger.warning(
                    "teacher_batch_statistics: each of the %d processes takes the statistics of its own part "
                    "of the batch; the labels depend on their number",
                    count,
                )
        return OpenedLabels(lambda batch: frozen(batch.images), card, audit, frozen)


@dataclass(frozen=True)
class StoredLabels(SoftLabels):
    """Labels that ``semdd relabel`` wrote; no teacher is needed any more.

    Args:
        path: the folder that ``--out`` named.
    """

    path: Path

    def record(self) -> dict[str, Any]:
        """Format, passes and bytes of what is stored."""
        store = self._store()
        header, what = store.header, store.header.label_format.in_words
        record = {"kind": "stored", "static": header.static, "format": what, "passes": header.passes}
        return {**record, "bytes": store.stored_bytes}

    def check(self, request: LabelRequest) -> None:
        """See that all labels are there, fit the loss, and are of what the config draws."""
        store, data = self._store(), request.data
        store.require_whole()
        header = store.header
        header.label_format.require_fit(request.loss, request.temperature)
        if request.loss == "mse" and header.label_format.precision == "int8":
            costs = mean_costs(store)
            logger.warning(
                "Labels in %s are int8: their logits, with a mean square of %.3g, are off by one of %.1e, "
                "which the loss mse learns too; labels in fp16 are closer",
                store.directory,
                costs["mean_square"],
                costs["mse"],
            )
        refuse_differences(self.path, header.made_for, made_for_config(data, static=header.static))
        if not header.static and data.drawn_passes > header.passes:
            msg = (
                f"Expected labels of {data.drawn_passes} passes in {self.path}, found {header.passes}; give "
                f"--data.distinct_passes {header.passes}, which uses them in rotation, or relabel more."
            )
            raise LabelError(msg)

    def open(self, request: LabelRequest) -> OpenedLabels:
        """Map the files, after all that identifies pool, selection and augmentation was compared."""
        store, data = self._store(), request.data
        header, device = store.header, data.training_device
        found = made_for(data, static=header.static, batch_statistics=request.batch_statistics)
        found.setdefault("teacher_batch_size", None)
        refuse_differences(self.path, header.made_for, found, (header.chosen, chosen_by(data)))
        if header.static:
            every = store.read(0, torch.arange(header.num_images))
            logits = header.label_format.decode(every)
            return OpenedLabels(_mixed_labels(logits.to(device), request), header.teacher)

        def labels(batch: TrainingImages) -> Tensor:
            parts = store.read(batch.drawn_pass, batch.rows.cpu())
            return header.label_format.decode({k: v.to(device) for k, v in parts.items()})

        return OpenedLabels(labels, header.teacher)

    def _store(self) -> LabelStore:
        return LabelStore.open(Path(self.path).expanduser())


@dataclass(frozen=True)
class StaticLabels(_TeachersLabels):
    """One soft label per image: what a teacher says of it before any augmentation.

    Mixed images get the mixed distributions of both, or for the loss mse the mean of both logits. The
    teacher labels once, before training.

    Args:
        teacher: ClipTeacher, CheckpointTeacher, or any other that looks at images.
    """

    teacher: Teacher

    def record(self) -> dict[str, Any]:
        """One label per image, which lies on no disk."""
        return {"kind": "static"}

    def open(self, request: LabelRequest) -> OpenedLabels:
        """Build the teacher, refuse one at chance level, and let it label every chosen image."""
        if request.batch_statistics:
            msg = (
                "Expected teacher_batch_statistics to be off with StaticLabels, found it on; an image "
                "that is labelled once belongs to no batch."
            )
            raise LabelError(msg)
        frozen, card, audit = checked_teacher(self.teacher, request.context, request.data)
        logits = label_plain(frozen, request.data).to(request.data.training_device)
        return OpenedLabels(_mixed_labels(logits, request), card, audit)


def as_soft_labels(teacher: Teacher | SoftLabels) -> SoftLabels:
    """Soft labels as they are; a teacher as one that looks at every batch."""
    return teacher if isinstance(teacher, SoftLabels) else _OnlineLabels(teacher)


def label_augmented(teacher: Callable[[Tensor], Tensor], data: ImageDataModule, pass_index: int) -> Tensor:
    """Logits of every chosen image as it looks in one pass, (M, C) on the CPU, in the selection's order."""
    found = torch.empty(0, 0)
    for batch in data.training_pass(pass_index):
        logits = teacher(batch.images).float().cpu()
        if not len(found):
            found = torch.full((data.planner.num_images, logits.shape[1]), torch.nan)
        found[batch.rows.cpu()] = logits
    return found


def label_plain(teacher: Callable[[Tensor], Tensor], data: ImageDataModule) -> Tensor:
    """Logits of every chosen image as it is, neither augmented nor mixed, (M, C) on the CPU."""
    parts = torch.split(torch.arange(data.planner.num_images), _PLAIN_BATCH)
    return torch.cat([teacher(data.plain_images(rows)).float().cpu() for rows in parts])


def _mixed_labels(logits: Tensor, request: LabelRequest) -> Callable[[TrainingImages], Tensor]:
    """Labels of batches out of one label per image, (M, C), mixed as the loss looks at them."""

    def labels(batch: TrainingImages) -> Tensor:
        own, partner = logits[batch.rows], logits[batch.partner_rows]
        if request.loss == "mse":
            return mean_logits(own, partner, batch.ratio)
        return mixed_logits(own, partner, batch.ratio, request.temperature)

    return labels
