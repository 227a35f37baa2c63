"""A teacher out of one word of a command line."""

from __future__ import annotations

from pathlib import Path

from semdd_lightning.errors import TeacherError
from semdd_lightning.training.teachers.checkpoint_teacher import CheckpointTeacher
from semdd_lightning.training.teachers.library_teacher import TimmTeacher, TorchvisionTeacher
from semdd_lightning.training.teachers.teacher import Teacher


def parse_teacher(text: str) -> Teacher:
    """The teacher that a word names.

    Args:
        text: ``torchvision/NAME``, also with ``:WEIGHTS`` (torchvision's name of them) or ``:FILE`` behind
            it; ``timm/NAME``, also with ``:FILE``; or a checkpoint or run directory of ``semdd fit``.

    Raises:
        TeacherError: if it is none of these.

    Examples:
        >>> parse_teacher("torchvision/resnet50:IMAGENET1K_V2").weights
        'IMAGENET1K_V2'
    """
    path = Path(text).expanduser()
    if path.exists():
        return CheckpointTeacher(path)
    library, slash, rest = text.partition("/")
    name, _, weights = rest.partition(":")
    file = Path(weights).expanduser()
    if slash and name and library == "torchvision":
        if not weights:
            return TorchvisionTeacher(name)
        return (
            TorchvisionTeacher(name, weights_file=file)
            if file.exists()
            else TorchvisionTeacher(name, weights)
        )
    if slash and name and library == "timm":
        return TimmTeacher(name, weights_file=file if weights else None)
    msg = (
        "Expected a classifier as torchvision/NAME, timm/NAME or a checkpoint of `semdd fit`, found "
        f"{text!r}; correct the name or the path."
    )
    raise TeacherError(msg)
