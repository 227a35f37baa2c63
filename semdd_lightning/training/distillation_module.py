"""Lightning module that trains a student on a teacher's soft labels of the very images it sees."""

from __future__ import annotations

from typing import Any, Literal

from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from semdd_lightning.audit import Audit
from semdd_lightning.data import ImageDataModule, PoolDataModule, TrainingImages
from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier
from semdd_lightning.errors import ConfigError
from semdd_lightning.models import IMAGENET_MEAN, IMAGENET_STD, NetworkFactory
from semdd_lightning.training.classifier_module import ClassifierModule, rded_optimizer
from semdd_lightning.training.losses import SoftLabelLoss, distillation_loss
from semdd_lightning.training.optimisation import CosineLR, CountedTwice, ScheduleFactory
from semdd_lightning.training.soft_labels.sources import (
    LabelRequest,
    OpenedLabels,
    SoftLabels,
    as_soft_labels,
)
from semdd_lightning.training.teachers.teacher import Teacher


class DistillationModule(ClassifierModule):
    """Soft-label distillation: the student matches the teacher on the same augmented, mixed batch.

    The teacher is no part of the student's checkpoint, stays in evaluation mode, and is checked before
    training: at chance level, training is refused.

    Args:
        student: a short name (conv3, resnet18_modified, resnetap10, ...), ``torchvision/NAME``,
            ``timm/NAME``, or a class with arguments that takes the number of classes and the image size.
        teacher: ClipTeacher (no training needed), CheckpointTeacher, TorchvisionTeacher or TimmTeacher; or
            labels in its place: StoredLabels of ``semdd relabel``, StaticLabels with one label per image.
        num_classes: number of classes; comes from the data.
        image_size: pixels per side that the student is built for; comes from the data.
        temperature: softens both distributions; RDED takes 20 with CutMix and 4 with MixUp.
        optimizer: optimiser; RDED's AdamW by default.
        schedule: learning-rate schedule, built from the optimiser and the number of passes and stepped once
            per pass; a cosine to zero by default.
        weight_decay_on: ``weights`` spares norms and biases (RDED), ``all`` decays every parameter.
        mean: mean of the student's input normalisation, for each channel; ImageNet's by default.
        std: its standard deviation.
        loss: kl, soft_cross_entropy, or mse between logits (EDC).
        temperature_squared: multiply the loss by the squared temperature, as Hinton et al. (2015) and SRe2L's
            Tiny-ImageNet code do; RDED and SRe2L otherwise do not.
        label_weight: weight of a cross entropy with the image's own label, whatever is mixed into it; EDC
            takes 0.025.
        ema_decay: decay of a moving average of the weights over steps, which is then what is evaluated
            (default: no average; the weights themselves are).
        statistics_twice: update the running statistics of BatchNorm twice per step, as RDED's extra forward
            pass without gradient on each batch does. It is really made where the student draws at random.
        teacher_batch_statistics: let the teacher's BatchNorm take the statistics of each batch it labels, as
            SRe2L's CIFAR code does, which leaves its teacher in training mode. Its check does not.
    """

    def __init__(
        self,
        student: str | NetworkFactory,
        teacher: Teacher | SoftLabels,
        num_classes: int,
        image_size: int,
        temperature: float = 20.0,
        optimizer: OptimizerCallable = rded_optimizer,
        schedule: ScheduleFactory = CosineLR,
        weight_decay_on: Literal["weights", "all"] = "weights",
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        loss: SoftLabelLoss = "kl",
        temperature_squared: bool = False,
        label_weight: float = 0.0,
        ema_decay: float | None = None,
        statistics_twice: bool = False,
        teacher_batch_statistics: bool = False,
    ) -> None:
        super().__init__(
            student, num_classes, image_size, optimizer, schedule, weight_decay_on, mean, std, ema_decay
        )
        if temperature <= 0:
            msg = f"Expected a temperature above 0, found {temperature}; RDED takes 20 with CutMix."
            raise ConfigError(msg)
        if label_weight < 0:
            msg = f"Expected label_weight of at least 0, found {label_weight}; 0 looks at soft labels alone."
            raise ConfigError(msg)
        self.temperature = temperature
        self.loss: SoftLabelLoss = loss
        self.temperature_squared = temperature_squared
        self.label_weight = label_weight
        self.statistics_twice = statistics_twice
        self.teacher_batch_statistics = teacher_batch_statistics
        self.teacher = teacher
        self._opened: OpenedLabels | None = None
        self._opened_for: ImageDataModule | None = None
        self._counted_twice: CountedTwice | None = None

    def prepare_data(self) -> None:
        """Refuse a teacher that is missing or counts other classes before the pool is embedded."""
        if self.trainer.state.fn == "fit" and self._opened_for is not self._data:
            as_soft_labels(self.teacher).check(self._label_request)

    def setup(self, stage: str) -> None:
        """Build the teacher and refuse one at chance level; evaluation alone needs no teacher."""
        super().setup(stage)
        if stage != "fit":
            return
        self._counted_twice = CountedTwice(self.network) if self.statistics_twice else None
        if self._opened_for is not self._data:
            self._opened = as_soft_labels(self.teacher).open(self._label_request)
            self._opened_for = self._data

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the teacher's card."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["semdd"]["teacher"] = self.teacher_card

    @property
    def teacher_card(self) -> dict[str, Any] | None:
        """Who the teacher is, once it is there."""
        return None if self._opened is None else self._opened.card

    @property
    def audit(self) -> Audit | None:
        """What the teacher saw of the pool, where it differs with the folders."""
        return None if self._opened is None else self._opened.audit

    @property
    def frozen_teacher(self) -> FrozenClassifier:
        """The built teacher, known from ``setup('fit')`` on."""
        if self._opened is None or self._opened.teacher is None:
            msg = "Expected setup('fit') to have built the teacher, found none; run it first."
            raise ConfigError(msg)
        return self._opened.teacher

    def teacher_logits(self, batch: TrainingImages) -> Tensor:
        """The teacher's logits of a batch, (B, C): said now, or read where labels are stored."""
        return self.frozen_teacher(batch.images) if self._opened is None else self._opened.labels(batch)

    @property
    def label_record(self) -> dict[str, Any]:
        """Soft labels: said online by a teacher, stored, or one per image."""
        return as_soft_labels(self.teacher).record()

    @property
    def _label_request(self) -> LabelRequest:
        statistics = self.teacher_batch_statistics
        return LabelRequest(self._data, self._context, self.loss, self.temperature, statistics)

    @property
    def _context(self) -> ClassifierContext:
        data = self._data
        prior = data.clip if isinstance(data, PoolDataModule) else None
        return ClassifierContext(data.registry, self.image_size, prior)

    def training_loss(self, batch: TrainingImages) -> Tensor:
        """How far the student is from the teacher on the very pixels that it sees."""
        student = self if self._counted_twice is None else self._counted_twice
        return distillation_loss(
            student(batch.images),
            self.teacher_logits(batch),
            batch.labels,
            self.loss,
            self.temperature,
            self.temperature_squared,
            self.label_weight,
        )

    @property
    def quirks(self) -> list[str]:
        """Names of the switches that are on only to match a reference implementation."""
        switches = ("statistics_twice", "teacher_batch_statistics")
        return [*super().quirks, *(name for name in switches if getattr(self, name))]
