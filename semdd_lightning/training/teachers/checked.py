"""A teacher that is built and has passed every check that comes before training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor

from semdd_lightning.audit import AUTOMATIC, Audit, AuditPolicy, apply_policy, audit_classes
from semdd_lightning.data import ImageDataModule, PoolDataModule
from semdd_lightning.names import get_logger
from semdd_lightning.records import content_key
from semdd_lightning.training.teachers.card import teacher_card
from semdd_lightning.training.teachers.check import check_teacher
from semdd_lightning.training.teachers.pool_logits import pool_logits
from semdd_lightning.training.teachers.teacher import FrozenTeacher, Teacher, TeacherContext, build_apart

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

    frozen: FrozenTeacher
    card: dict[str, Any]
    audit: Audit | None


def checked_teacher(
    teacher: Teacher, context: TeacherContext, data: ImageDataModule, device: torch.device
) -> CheckedTeacher:
    """Build a teacher, and refuse one that is at chance or counts the classes in another order.

    It is asked about held-out images where there are some. Of a pool that was selected from, it also says
    whether the folders hold their classes: CLIP alone may not have noticed.

    Args:
        teacher: its description.
        context: what it may need to know.
        data: the data module, set up for training.
        device: where it labels.

    Raises:
        TeacherError: if there is no such teacher, it does not fit, or it is at chance.
        AuditError: if it sees the classes in another order, and the data module does not go on all the same.
    """
    frozen = FrozenTeacher(build_apart(teacher, context), device)
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


def _ask_about_pool(teacher: FrozenTeacher, data: ImageDataModule) -> Audit | None:
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
