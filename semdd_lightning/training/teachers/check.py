"""Is the teacher better than chance? Asked before any student is trained."""

from __future__ import annotations

import torch
from scipy.stats import beta
from torch import Tensor

from semdd_lightning.audit import AuditPolicy, explain_order, vote
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import AuditError, TeacherError
from semdd_lightning.names import get_logger
from semdd_lightning.training.teachers.teacher import FrozenTeacher

CONFIDENCE = 0.99
BATCH = 250
_SHOWN = 5  # classes in a message

logger = get_logger(__name__)


def check_teacher(
    teacher: FrozenTeacher,
    images: Tensor,
    labels: Tensor,
    classes: ClassRegistry,
    what: str,
    audit: AuditPolicy = "refuse",
) -> float:
    """Measure a teacher's top-1 accuracy; refuse one at chance level or with another order of the classes.

    Args:
        teacher: the built teacher.
        images: uint8 images, (n, 3, S, S).
        labels: their classes, (n,).
        classes: the classes, C of them.
        what: what the images are, for the message.
        audit: whether to refuse another order of the classes, warn of it, or not look.

    Returns:
        Top-1 accuracy in [0, 1].

    Raises:
        TeacherError: if the 99 % upper bound of the accuracy is below ``2 / C``; with fewer than three
            classes, where that would refuse any teacher that errs, below halfway from chance to all.
        AuditError: if the teacher is clearly better with its classes in another order.
    """
    logits = torch.cat([_logits(teacher, part, len(classes)) for part in torch.split(images, BATCH)])
    truth = labels.cpu()
    correct = int((logits.argmax(dim=1) == truth).sum())
    reordered = None if audit == "off" else _other_order(logits, truth, classes)
    chance = 1 / len(classes)
    if upper_bound(correct, len(labels)) < min(2 * chance, (1 + chance) / 2):
        msg = (
            f"Expected a teacher above chance, found {correct} of {len(labels)} {what} right "
            f"({correct / len(labels):.1%}, chance is {chance:.1%}); check first that teacher, pool "
            "and test set count the classes in one order, then the teacher's input size and normalisation."
            f"{'' if reordered is None else ' ' + reordered}"
        )
        raise TeacherError(msg)
    if reordered is not None:
        msg = f"Expected a teacher that counts the classes as the data do, found another order. {reordered}"
        if audit == "refuse":
            msg = f"{msg} Give both the same class list; `audit: warn` of the data goes on anyway."
            raise AuditError(msg)
        logger.warning("%s Going on all the same, as asked.", msg)
    return correct / len(labels)


def _logits(teacher: FrozenTeacher, images: Tensor, num_classes: int) -> Tensor:
    logits = teacher(images.to(teacher.device).float() / 255).float().cpu()
    if logits.shape[1] != num_classes:
        msg = (
            f"Expected a teacher of {num_classes} classes, found {logits.shape[1]} logits; "
            "give pool and teacher the same class list."
        )
        raise TeacherError(msg)
    return logits


def _other_order(logits: Tensor, labels: Tensor, classes: ClassRegistry) -> str | None:
    """The order in which the teacher does clearly better, in words; none where it stands as it is."""
    values, truth = logits.numpy(), labels.numpy()
    found = explain_order(vote("teacher", lambda rows: values[rows], truth, len(classes)))
    if not len(found.moved):
        return None
    pairs = [f"{classes.names[c]!r} is {classes.names[found.order[c]]!r}" for c in found.moved[:_SHOWN]]
    more = f" and {len(found.moved) - _SHOWN} more" if len(found.moved) > _SHOWN else ""
    return (
        f"It would be right on {found.best_accuracy:.0%} instead of {found.accuracy:.0%} of the images if "
        f"what the data call {', '.join(pairs)}{more} to the teacher."
    )


def upper_bound(correct: int, total: int, confidence: float = CONFIDENCE) -> float:
    """One-sided upper confidence bound of an accuracy (Clopper & Pearson 1934).

    Examples:
        >>> round(upper_bound(0, 100), 4)
        0.045
        >>> upper_bound(100, 100)
        1.0
    """
    if correct >= total:
        return 1.0
    return float(beta.ppf(confidence, correct + 1, total - correct))
