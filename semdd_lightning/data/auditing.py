"""Ask CLIP, real images and a teacher whether a pool's folders hold the classes they are named for."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.audit import (
    MOST_SUSPECTS,
    Audit,
    Votes,
    even_sample,
    judge,
    vote,
    vote_by_class_means,
    vote_by_prototypes,
)
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.audit_messages import describe_refusal, describe_suspects
from semdd_lightning.data.reference_images import ReferenceImages
from semdd_lightning.data.storage import square
from semdd_lightning.errors import AuditError
from semdd_lightning.given import require_word
from semdd_lightning.pools import Pool
from semdd_lightning.pools.images import decode_image
from semdd_lightning.prior import PoolEmbeddings

AuditPolicy = Literal["refuse", "warn", "off"]
TeacherLogits = Callable[[Pool, NDArray[np.int64]], NDArray[np.float32]]
"""Gives a teacher's logits (n, C) for the images of a pool at rows (n,)."""

AUTOMATIC = 100  # images of a folder that are looked at before training
_BATCH = 256  # images that a teacher sees at once

logger = logging.getLogger(__name__)


def audit_classes(
    images: Pool,
    embeddings: PoolEmbeddings,
    reference: ReferenceImages | None = None,
    *,
    teacher: TeacherLogits | None = None,
    most_suspects: float = MOST_SUSPECTS,
    at_most: int | None = None,
) -> Audit:
    """Audit the classes of an embedded pool.

    Args:
        images: the pool.
        embeddings: its embeddings.
        reference: real images of the same classes, embedded by the same CLIP model.
        teacher: a teacher that votes too.
        most_suspects: share of suspect folders above which the pool is refused, 0 to 1.
        at_most: look at so many images of each folder, evenly spaced; none looks at all. The rows of single
            images in the result count in the pool either way.
    """
    rows = np.arange(len(images)) if at_most is None else even_sample(images.labels, at_most)
    text = says_something(images.registry)
    prototypes = embeddings.text_prototypes.numpy() if text and len(embeddings.text_prototypes) else None
    real = None
    if reference is not None:
        real = (reference.embeddings.image_embeddings.numpy(), reference.images.labels)
    vectors, labels = embeddings.image_embeddings.numpy()[rows], images.labels[rows]
    votes = _clip_votes(vectors, labels, prototypes, embeddings.logit_scale, len(images.registry), real)
    real_votes = None
    if real is not None:
        real_votes = _clip_votes(*real, prototypes, embeddings.logit_scale, len(images.registry))
    audit = judge(
        votes,
        real_votes,
        teacher=None if teacher is None else _teacher_votes(teacher, images, rows),
        teacher_reference=(
            None
            if teacher is None or reference is None
            else _teacher_votes(teacher, reference.images, np.arange(len(reference.images)))
        ),
        most_suspects=most_suspects,
    )
    return audit.counted_in(rows)


def network_logits(network: Callable[[Tensor], Tensor], image_size: int) -> TeacherLogits:
    """What a network says about images of a pool, in batches.

    Args:
        network: from images in [0, 1], (B, 3, S, S), to logits (B, C).
        image_size: side S that images are brought to.
    """

    def logits(images: Pool, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(rows), _BATCH):
            decoded = [decode_image(images.read(int(row))) for row in rows[start : start + _BATCH]]
            pixels = torch.stack([square(image, image_size) for image in decoded])
            parts.append(network(pixels.float() / 255).float().cpu().numpy())
        return np.concatenate(parts)

    return logits


def check_policy(policy: str) -> None:
    """Refuse a policy that there is not.

    Raises:
        ConfigError: if it is none of `AuditPolicy`.
    """
    require_word("audit", policy, get_args(AuditPolicy))


def apply_policy(images: Pool, audit: Audit, policy: AuditPolicy) -> None:
    """Refuse a pool whose folders do not hold their classes, or say what is suspect about it.

    Args:
        images: the pool.
        audit: what was found.
        policy: `refuse`, or `warn` to go on anyway.

    Raises:
        AuditError: if the pool is refused.
    """
    problem = describe_refusal(images.registry, audit)
    if problem is not None and policy == "refuse":
        raise AuditError(problem)
    if problem is not None:
        logger.warning("%s Going on all the same, as asked.", problem)
    elif len(audit.suspects):
        logger.warning("%s", describe_suspects(images.registry, audit))


def says_something(registry: ClassRegistry) -> bool:
    """Whether class names are words that CLIP's texts can be asked about, and not numbers.

    Args:
        registry: the classes.
    """
    words = {re.sub(r"[\d\W_]+", "", name).casefold() for name in registry.names}
    return len(words - {""}) > len(registry) / 2


def _clip_votes(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    prototypes: NDArray[np.float32] | None,
    logit_scale: float,
    num_classes: int,
    reference: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None,
) -> list[Votes]:
    by_means = vote_by_class_means(vectors, labels, num_classes, reference)
    if prototypes is None:
        return [by_means]
    return [vote_by_prototypes("text", vectors, labels, prototypes, logit_scale), by_means]


def _teacher_votes(teacher: TeacherLogits, images: Pool, rows: NDArray[np.int64]) -> Votes:
    logits = teacher(images, rows)
    return vote("teacher", lambda part: logits[part], images.labels[rows], len(images.registry))
