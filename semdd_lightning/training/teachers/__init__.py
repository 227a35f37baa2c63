"""Teachers: CLIP itself, checkpoints of this package and of others, torchvision, timm, and ensembles."""

from semdd_lightning.training.teachers.checked import (
    answers_shared,
    check_teacher,
    checked_teacher,
    pool_logits,
    upper_bound,
)
from semdd_lightning.training.teachers.checkpoint_teacher import (
    CheckpointTeacher,
    StateDictTeacher,
    read_state_dict,
)
from semdd_lightning.training.teachers.clip_teacher import ClipTeacher, ZeroShotNetwork
from semdd_lightning.training.teachers.ensemble_teacher import EnsembleTeacher, MeanLogits
from semdd_lightning.training.teachers.library_teacher import (
    TimmTeacher,
    TorchvisionTeacher,
    imagenet_indices,
)
from semdd_lightning.training.teachers.parsing import parse_teacher
from semdd_lightning.training.teachers.teacher import (
    FrozenTeacher,
    Teacher,
    TeacherContext,
    build_apart,
    teacher_card,
)

__all__ = [
    "CheckpointTeacher",
    "ClipTeacher",
    "EnsembleTeacher",
    "FrozenTeacher",
    "MeanLogits",
    "StateDictTeacher",
    "Teacher",
    "TeacherContext",
    "TimmTeacher",
    "TorchvisionTeacher",
    "ZeroShotNetwork",
    "answers_shared",
    "build_apart",
    "check_teacher",
    "checked_teacher",
    "imagenet_indices",
    "parse_teacher",
    "pool_logits",
    "read_state_dict",
    "teacher_card",
    "upper_bound",
]
