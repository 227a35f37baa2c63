"""A teacher that is built and checked: it is better than chance, and counts the classes as the data do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import beta
from torch import Tensor

from semdd_lightning.audit import (
    AUTOMATIC,
    Audit,
    AuditPolicy,
    TeacherLogits,
    apply_policy,
    audit_classes,
    explain_order,
    vote,
)
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import ImageDataModule, PoolDataModule
from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier, build_apart
from semdd_lightning.data.storage import square
from semdd_lightning.errors import AuditError, TeacherError
from semdd_lightning.names import get_logger
from semdd_lightning.pools import Pool
from semdd_lightning.records import content_key
from semdd_lightning.training.teachers.teacher import Teacher, teacher_card

_BATCH = 250  # images that a teacher sees at once
_SHOWN = 5  # classes in a message
_POOL_IMAGES = 1_000  # of a pool that the teacher looks at, in all
_heard: ContextVar[dict[str, tuple[float, Audit | None]]] = ContextVar("answers of teachers")

logger = get_logger(__name__)


class CheckedTeacher(NamedTuple):
    """A teacher that may label.

    Attributes:
        frozen: the built network.
        card: who it is, as `teacher_card` gives it.
        audit: what the pool's classes look like to it too, where it differs with their folders; else none.
    """

    frozen: FrozenClassifier
    card: dict[str, Any]
    audit: Audit | None


def checked_teacher(teacher: Teacher, context: ClassifierContext, data: ImageDataModule) -> CheckedTeacher:
    """Build a teacher, and refuse one that is at chance or counts the classes in another order.

    It is asked about held-out images where there are some. Of a pool that was selected from, it also says
    whether the folders hold their classes: CLIP alone may not have noticed.

    Args:
        teacher: its description.
        context: what it may need to know.
        data: the data module, set up for training; the teacher labels on its device.

    Raises:
        TeacherError: if there is no such teacher, it does not fit, or it is at chance.
        AuditError: if it sees the classes in another order, and the data module does not go on all the same.
    """
    frozen = FrozenClassifier(build_apart(teacher.build, context), data.training_device)
    images, labels, what = data.check_images()
    policy = data.audit if isinstance(data, PoolDataModule) else "refuse"
    card = teacher_card(teacher, context, frozen, 0.0, what)
    question = _question(card, data, images, labels, policy)
    heard = _heard.get({})  # nobody else's where nothing is shared
    if question not in heard:
        accuracy = check_teacher(frozen, images, labels, data.registry, what, policy)
        logger.info("Teacher: %.1f %% top-1 on %d %s", 100 * accuracy, len(labels), what)
        heard[question] = accuracy, None if policy == "off" else _ask_about_pool(frozen, data)
    accuracy, found = heard[question]
    return CheckedTeacher(frozen, {**card, "accuracy": {"top1": accuracy, "on": what}}, found)


@contextmanager
def answers_shared() -> Iterator[None]:
    """Let runs of one process, such as a comparison's, ask a teacher about the same images only once."""
    token = _heard.set({})
    try:
        yield
    finally:
        _heard.reset(token)


def check_teacher(
    teacher: FrozenClassifier,
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
    parts = [teacher(part.to(teacher.device).float() / 255) for part in torch.split(images, _BATCH)]
    logits, truth = torch.cat(parts).float().cpu(), labels.cpu()
    if logits.shape[1] != len(classes):
        msg = (
            f"Expected a teacher of {len(classes)} classes, found {logits.shape[1]} logits; "
            "give pool and teacher the same class list."
        )
        raise TeacherError(msg)
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


def upper_bound(correct: int, total: int) -> float:
    """One-sided upper bound of confidence 99 % of an accuracy (Clopper & Pearson 1934)."""
    return float(beta.ppf(0.99, correct + 1, total - correct)) if correct < total else 1.0


def pool_logits(network: Callable[[Tensor], Tensor], image_size: int) -> TeacherLogits:
    """What gives the logits of a network, in batches.

    Args:
        network: from images in [0, 1], (B, 3, S, S), to logits (B, C).
        image_size: side S that images are brought to.
    """

    def logits(images: Pool, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH].tolist()
            pixels = torch.stack([square(images.image(row), image_size) for row in some])
            parts.append(network(pixels.float() / 255).float().cpu().numpy())
        return np.concatenate(parts)

    return logits


def _question(
    card: Mapping[str, Any], data: ImageDataModule, images: Tensor, labels: Tensor, policy: AuditPolicy
) -> str:
    """What the answer depends on: the teacher's weights and arguments, the images, and the pool."""
    digest = hashlib.sha256()
    for tensor in (images, labels):
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    selected = data.selected if isinstance(data, PoolDataModule) else None
    pool = None if selected is None else [selected.pool.fingerprint, selected.embeddings.key]
    asked = {"images": digest.hexdigest(), "names": list(data.registry.names), "size": data.image_size}
    return content_key({**card, **asked, "pool": pool, "policy": policy})


def _ask_about_pool(teacher: FrozenClassifier, data: ImageDataModule) -> Audit | None:
    """Let the teacher vote on the pool too; what CLIP says was heard when the images were selected."""
    if not isinstance(data, PoolDataModule) or data.selected is None:
        return None
    pool, embeddings = data.selected.pool, data.selected.embeddings
    audit = audit_classes(
        pool,
        embeddings,
        teacher=pool_logits(teacher, data.image_size),
        at_most=min(AUTOMATIC, max(1, _POOL_IMAGES // len(pool.registry))),
    )
    if audit.teacher is None or not len(audit.teacher.moved):
        return None
    apply_policy(pool, audit, data.audit)
    return audit


def _other_order(logits: Tensor, labels: Tensor, classes: ClassRegistry) -> str | None:
    """The order in which the teacher does clearly better, in words; None where it stands as it is."""
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
