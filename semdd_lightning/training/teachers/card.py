"""The teacher card: who made soft labels, out of what, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, with_config

from semdd_lightning.records import RECORD, checked
from semdd_lightning.training.history import plain, weights_digest
from semdd_lightning.training.teachers.teacher import FrozenTeacher, Teacher, TeacherContext


@with_config(RECORD)
@dataclass(frozen=True)
class CardAccuracy:
    """A teacher's accuracy: ``top1`` in [0, 1], and the images that it was measured ``on``."""

    top1: Annotated[float, Field(ge=0, le=1)]
    on: str


@with_config(RECORD)
@dataclass(frozen=True)
class TeacherCard:
    """The form of what `teacher_card` gives."""

    teacher: str
    arguments: dict[str, Any]
    history: dict[str, Any]
    accuracy: CardAccuracy
    sha256: str


def check_card(card: dict[str, Any]) -> dict[str, Any]:
    """See that what was read is a teacher's card.

    Raises:
        ValueError: if it is none.
    """
    checked(card, TeacherCard)
    return card


def teacher_card(
    teacher: Teacher, context: TeacherContext, built: FrozenTeacher, accuracy: float, what: str
) -> dict[str, Any]:
    """Plain values that travel with whatever was learnt or stored from a teacher.

    Args:
        teacher: its description.
        context: what it was built for.
        built: the network that labels.
        accuracy: top-1 accuracy of its check, in [0, 1].
        what: the images that it was measured on.

    Returns:
        ``teacher`` and ``arguments`` (its description), ``history`` (data, recipe and accuracies of its own
        training, "unknown" where they are), ``accuracy`` with ``top1`` and ``on``, ``sha256`` of its weights.
    """
    return {
        "teacher": type(teacher).__name__,
        "arguments": plain(teacher),
        "history": teacher.history(context),
        "accuracy": {"top1": accuracy, "on": what},
        "sha256": weights_digest(built.network),
    }
