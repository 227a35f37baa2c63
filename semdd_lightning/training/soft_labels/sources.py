"""Soft labels in place of a teacher that looks at every batch: read from a store, or made once an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semdd_lightning.data import ImageDataModule, TrainingImages
from semdd_lightning.errors import LabelError
from semdd_lightning.training.soft_labels.labelling import label_plain
from semdd_lightning.training.soft_labels.made_for import made_for, made_for_config, refuse_differences
from semdd_lightning.training.soft_labels.mixing import mixed_logits
from semdd_lightning.training.soft_labels.store import LabelStore
from semdd_lightning.training.teachers import Teacher, TeacherContext, checked_teacher

BatchLabels = Callable[[TrainingImages], Tensor]
"""From a batch to the teacher's logits of its images, (B, C)."""


@dataclass(frozen=True)
class LabelRequest:
    """What labels are needed for.

    Attributes:
        data: the data module; its images are there from ``setup('fit')`` on.
        context: what a teacher may need to know.
        temperature: of the loss.
        device: where the student is trained.
    """

    data: ImageDataModule
    context: TeacherContext
    temperature: float
    device: torch.device


class SoftLabels(ABC):
    """Describes where soft labels come from when no teacher looks at the batches; cheap until opened."""

    @abstractmethod
    def check(self, data: ImageDataModule, context: TeacherContext) -> None:
        """Find out, before anything expensive runs, whether the labels can fit.

        Raises:
            LabelError: if they do not.
        """

    @abstractmethod
    def open(self, request: LabelRequest) -> tuple[BatchLabels, dict[str, Any]]:
        """What labels batches, and the card of the teacher behind it.

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

    def check(self, data: ImageDataModule, context: TeacherContext) -> None:
        """See that all labels are there and that the config draws what they were made for."""
        store = self._store()
        store.require_complete()
        header = store.header
        refuse_differences(self.path, header.made_for, made_for_config(data, static=header.static))
        if not header.static and data.drawn_passes > header.passes:
            msg = (
                f"Expected labels of {data.drawn_passes} passes in {self.path}, found {header.passes}; give "
                f"--data.distinct_passes {header.passes}, which uses them in rotation, or relabel more."
            )
            raise LabelError(msg)

    def open(self, request: LabelRequest) -> tuple[BatchLabels, dict[str, Any]]:
        """Map the files, after all that identifies pool, selection and augmentation was compared."""
        store = self._store()
        header = store.header
        refuse_differences(self.path, header.made_for, made_for(request.data, static=header.static))
        if header.static:
            every = store.read(0, torch.arange(header.num_images))
            logits = header.label_format.decode(every)
            return static_labels(logits.to(request.device), request.temperature), header.teacher

        def labels(batch: TrainingImages) -> Tensor:
            parts = store.read(batch.drawn_pass, batch.rows.cpu())
            return header.label_format.decode({k: v.to(request.device) for k, v in parts.items()})

        return labels, header.teacher

    def _store(self) -> LabelStore:
        return LabelStore.open(Path(self.path).expanduser())


@dataclass(frozen=True)
class StaticLabels(SoftLabels):
    """One soft label an image: what a teacher says of it before any augmentation.

    Mixed images get the mixed distributions of both. The teacher labels once, before training.

    Args:
        teacher: ClipTeacher, CheckpointTeacher, or any other that looks at images.
    """

    teacher: Teacher

    def check(self, data: ImageDataModule, context: TeacherContext) -> None:
        """See that the teacher can be had."""
        self.teacher.check(context)

    def open(self, request: LabelRequest) -> tuple[BatchLabels, dict[str, Any]]:
        """Build the teacher, refuse one at chance level, and let it label every chosen image."""
        frozen, card = checked_teacher(self.teacher, request.context, request.data, request.device)
        logits = label_plain(frozen, request.data).to(request.device)
        return static_labels(logits, request.temperature), card


def static_labels(logits: Tensor, temperature: float) -> BatchLabels:
    """Labels of batches out of one label an image, (M, C)."""

    def labels(batch: TrainingImages) -> Tensor:
        return mixed_logits(logits[batch.rows], logits[batch.partner_rows], batch.ratio, temperature)

    return labels
