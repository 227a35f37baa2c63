"""Students and teachers: Lightning modules, losses, schedules."""

from semdd_lightning.training.checkpoints import load_network
from semdd_lightning.training.classifier_module import ClassifierModule, rded_optimizer
from semdd_lightning.training.distillation_module import DistillationModule
from semdd_lightning.training.losses import (
    distillation_loss,
    mixed_label_loss,
    soft_cross_entropy,
    soft_label_loss,
)
from semdd_lightning.training.optimisation import (
    CosineLR,
    MilestonesLR,
    ScheduleFactory,
    parameter_groups,
)
from semdd_lightning.training.progress import BestOfEvaluations, TrainingDone, training_done
from semdd_lightning.training.soft_labels.sources import SoftLabels, StaticLabels, StoredLabels
from semdd_lightning.training.teachers.checkpoint_teacher import CheckpointTeacher, StateDictTeacher
from semdd_lightning.training.teachers.library_teacher import TimmTeacher, TorchvisionTeacher
from semdd_lightning.training.teachers.teacher import ClipTeacher, EnsembleTeacher, Teacher

__all__ = [
    "BestOfEvaluations",
    "CheckpointTeacher",
    "ClassifierModule",
    "ClipTeacher",
    "CosineLR",
    "DistillationModule",
    "EnsembleTeacher",
    "MilestonesLR",
    "ScheduleFactory",
    "SoftLabels",
    "StateDictTeacher",
    "StaticLabels",
    "StoredLabels",
    "Teacher",
    "TimmTeacher",
    "TorchvisionTeacher",
    "TrainingDone",
    "distillation_loss",
    "load_network",
    "mixed_label_loss",
    "parameter_groups",
    "rded_optimizer",
    "soft_cross_entropy",
    "soft_label_loss",
    "training_done",
]
