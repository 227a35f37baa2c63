"""Is the teacher better than chance? Asked before any student is trained."""

from __future__ import annotations

from scipy.stats import beta
from torch import Tensor

from semdd_lightning.errors import TeacherError
from semdd_lightning.training.teachers.teacher import FrozenTeacher

CONFIDENCE = 0.99
BATCH = 250


def check_teacher(
    teacher: FrozenTeacher, images: Tensor, labels: Tensor, num_classes: int, what: str
) -> float:
    """Measure a teacher's top-1 accuracy and refuse one that is at chance level.

    Args:
        teacher: the built teacher.
        images: uint8 images, (n, 3, S, S).
        labels: their classes, (n,).
        num_classes: C.
        what: what the images are, for the message.

    Returns:
        Top-1 accuracy in [0, 1].

    Raises:
        TeacherError: if the 99 % upper bound of the accuracy is below ``2 / C``; with fewer than three
            classes, where that would refuse any teacher that errs, below halfway from chance to all.
    """
    correct = 0
    for start in range(0, len(labels), BATCH):
        part, truth = images[start : start + BATCH], labels[start : start + BATCH]
        logits = teacher(part.to(teacher.device).float() / 255)
        if logits.shape[1] != num_classes:
            msg = (
                f"Expected a teacher of {num_classes} classes, found {logits.shape[1]} logits; "
                "give pool and teacher the same class list."
            )
            raise TeacherError(msg)
        correct += int((logits.argmax(dim=1).cpu() == truth.cpu()).sum())
    chance = 1 / num_classes
    if upper_bound(correct, len(labels)) < min(2 * chance, (1 + chance) / 2):
        msg = (
            f"Expected a teacher above chance, found {correct} of {len(labels)} {what} right "
            f"({correct / len(labels):.1%}, chance is {chance:.1%}); check first that teacher, pool "
            "and test set count the classes in one order, then the teacher's input size and normalisation."
        )
        raise TeacherError(msg)
    return correct / len(labels)


def upper_bound(correct: int, total: int, confidence: float = CONFIDENCE) -> float:
    """One-sided upper confidence bound of an accuracy (Clopper & Pearson 1934).

    Example:
        >>> round(upper_bound(0, 100), 4)
        0.045
        >>> upper_bound(100, 100)
        1.0
    """
    if correct >= total:
        return 1.0
    return float(beta.ppf(confidence, correct + 1, total - correct))
