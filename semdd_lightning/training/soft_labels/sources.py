"""Soft labels in place of a teacher that looks at every batch: read from a store, or made once an image."""

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
from semdd_lightning.errors import LabelError
from semdd_lightning.names import get_logger
from semdd_lightning.training.losses import SoftLabelLoss, mean_logits, mixed_logits
from semdd_lightning.training.soft_labels.header import (
    chosen_by,
    labelled_in_batches,
    made_for,
    made_for_config,
    refuse_differences,
)
from semdd_lightning.training.soft_labels.store import LabelStore, label_plain, mean_costs
from semdd_lightning.training.teachers.checked import checked_teacher
from semdd_lightning.training.teachers.teacher import Teacher, TeacherContext

logger = get_logger(__name__)

BatchLabels = Callable[[TrainingImages], Tensor]
"""From a batch to the teacher's logits of its images, (B, C)."""


@dataclass(frozen=True)
class LabelRequest:
    """What labels are needed for.

    Attributes:
        data: the data module; its images are there from ``setup('fit')`` on.
        context: what a teacher may need to know.
        loss: what compares student and labels.
        temperature: of the loss.
        device: where the student is trained.
        batch_statistics: whether the teacher takes the statistics of each batch.
    """

    data: ImageDataModule
    context: TeacherContext
    loss: SoftLabelLoss
    temperature: float
    device: torch.device
    batch_statistics: bool = False


class OpenedLabels(NamedTuple):
    """Labels that a student can learn from.

    Attributes:
        labels: what labels batches.
        card: of the teacher behind it.
        audit: what the teacher saw of the pool, where it was asked and differs with the folders.
    """

    labels: BatchLabels
    card: dict[str, Any]
    audit: Audit | None = None


class SoftLabels(ABC):
    """Describes where soft labels come from when no teacher looks at the batches; cheap until opened."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """What a result says of its labels: their ``kind``, and of stored ones what they are and take."""

    @abstractmethod
    def check(self, request: LabelRequest) -> None:
        """Find out, before anything expensive runs, whether the labels can fit.

        Raises:
            LabelError: if they do not.
        """

    @abstractmethod
    def open(self, request: LabelRequest) -> OpenedLabels:
        """What labels batches, and the teacher behind it.

        Raises:
            LabelError: if the labels are not those of the chosen images.
        """


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
        header = store.header
        return {
            "kind": "stored",
            "static": header.static,
            "format": header.label_format.in_words,
            "passes": header.passes,
            "bytes": store.stored_bytes,
        }

    def check(self, request: LabelRequest) -> None:
        """See that all labels are there, fit the loss, and are of what the config draws."""
        store, data = self._store(), request.data
        store.require_whole()
        header = store.header
        header.label_format.require_fit(request.loss, request.temperature)
        if request.loss == "mse" and header.label_format.precision == "int8":
            _warn_of_steps(store)
        refuse_differences(self.path, header.made_for, made_for_config(data, static=header.static))
        if not header.static and data.drawn_passes > header.passes:
            msg = (
                f"Expected labels of {data.drawn_passes} passes in {self.path}, found {header.passes}; give "
                f"--data.distinct_passes {header.passes}, which uses them in rotation, or relabel more."
            )
            raise LabelError(msg)

    def open(self, request: LabelRequest) -> OpenedLabels:
        """Map the files, after all that identifies pool, selection and augmentation was compared."""
        store = self._store()
        header = store.header
        found, chosen = made_for(request.data, static=header.static), chosen_by(request.data)
        found |= labelled_in_batches(request.data, on=request.batch_statistics)
        refuse_differences(self.path, header.made_for, found, (header.chosen, chosen))
        if header.static:
            every = store.read(0, torch.arange(header.num_images))
            logits = header.label_format.decode(every)
            return OpenedLabels(static_labels(logits.to(request.device), request), header.teacher)

        def labels(batch: TrainingImages) -> Tensor:
            parts = store.read(batch.drawn_pass, batch.rows.cpu())
            return header.label_format.decode({k: v.to(request.device) for k, v in parts.items()})

        return OpenedLabels(labels, header.teacher)

    def _store(self) -> LabelStore:
        return LabelStore.open(Path(self.path).expanduser())


@dataclass(frozen=True)
class StaticLabels(SoftLabels):
    """One soft label an image: what a teacher says of it before any augmentation.

    Mixed images get the mixed distributions of both, or for the loss mse the mean of both logits. The
    teacher labels once, before training.

    Args:
        teacher: ClipTeacher, CheckpointTeacher, or any other that looks at images.
    """

    teacher: Teacher

    def record(self) -> dict[str, Any]:
        """One label an image, which lies on no disk."""
        return {"kind": "static"}

    def check(self, request: LabelRequest) -> None:
        """See that the teacher can be had."""
        self.teacher.check(request.context)

    def open(self, request: LabelRequest) -> OpenedLabels:
        """Build the teacher, refuse one at chance level, and let it label every chosen image."""
        if request.batch_statistics:
            msg = (
                "Expected teacher_batch_statistics to be off with StaticLabels, found it on; an image "
                "that is labelled once belongs to no batch."
            )
            raise LabelError(msg)
        frozen, card, audit = checked_teacher(self.teacher, request.context, request.data, request.device)
        logits = label_plain(frozen, request.data).to(request.device)
        return OpenedLabels(static_labels(logits, request), card, audit)


def static_labels(logits: Tensor, request: LabelRequest) -> BatchLabels:
    """Labels of batches out of one label an image, (M, C), mixed as the loss looks at them."""

    def labels(batch: TrainingImages) -> Tensor:
        own, partner = logits[batch.rows], logits[batch.partner_rows]
        if request.loss == "mse":
            return mean_logits(own, partner, batch.ratio)
        return mixed_logits(own, partner, batch.ratio, request.temperature)

    return labels


def _warn_of_steps(store: LabelStore) -> None:
    costs = mean_costs(store)
    logger.warning(
        "Labels in %s are int8: their logits, with a mean square of %.3g, are off by one of %.1e, which the "
        "loss mse learns too; labels in fp16 are closer",
        store.directory,
        costs["mean_square"],
        costs["mse"],
    )
