"""What every teacher offers, the frozen form in which it labels, and the card that says who it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field, with_config
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from semdd_lightning.data.classifier import Classifier, ClassifierContext
from semdd_lightning.records import RECORD, checked
from semdd_lightning.training.checkpoint_card import plain, weights_digest

HISTORY = ("data", "recipe", "accuracy")
UNKNOWN = "unknown"
TeacherContext = ClassifierContext
"""What a teacher may need to know of the data: what any classifier may."""


class Teacher(Classifier):
    """Describes a teacher: a classifier that is checked, and of which something is known."""

    def check(self, context: TeacherContext) -> None:
        """Find out, before the pool is embedded, whether the teacher can be built: build it and let it go.

        That fetches what has to be fetched, sees every weight, and takes seconds where a pool takes hours.

        Raises:
            TeacherError: if there is no such teacher or it does not fit the classes.
        """
        build_apart(self, context)

    def history(self, context: TeacherContext) -> dict[str, Any]:
        """What is known of its own training: data, recipe, accuracy; what is not known says so."""
        return unknown_history()


def unknown_history(**known: Any) -> dict[str, Any]:  # noqa: ANN401 - plain values of any kind
    """A teacher's history, unknown but for what is given.

    Examples:
        >>> unknown_history(data="CIFAR-10")
        {'data': 'CIFAR-10', 'recipe': 'unknown', 'accuracy': 'unknown'}
    """
    return {**dict.fromkeys(HISTORY, UNKNOWN), **known}


def build_apart(teacher: Teacher, context: TeacherContext) -> nn.Module:
    """Build a teacher without moving the random numbers that a student's dropout draws.

    With them moved, a student would learn otherwise beside a teacher than from stored labels.
    """
    with torch.random.fork_rng(devices=[]):
        return teacher.build(context)


class FrozenTeacher:
    """A built teacher that only labels.

    It is no ``nn.Module`` on purpose: what holds it neither switches it to training mode, nor saves it,
    nor hands its parameters to an optimiser.

    Args:
        network: from images in [0, 1] to logits.
        device: where it labels.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        # as of students: convolutions run faster, and no number changes but in its last bits
        placed = network.to(device).to(memory_format=torch.channels_last)
        self.network = placed.eval().requires_grad_(requires_grad=False)
        self.device = device

    def use_batch_statistics(self) -> None:
        """Let BatchNorm take the statistics of each batch, as in training; its running ones stay."""
        for layer in self.network.modules():
            if isinstance(layer, _BatchNorm):
                layer.train()
                layer.momentum = 0.0

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images in [0, 1], (B, 3, H, W).

        In the teacher's own precision, whatever the student trains in: stored labels know no student.
        """
        with torch.autocast(self.device.type, enabled=False):
            logits: Tensor = self.network(images.float())
        return logits


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
