"""Ask CLIP, real images and a teacher whether a pool's folders hold the classes they are named for."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.audit.verdict import MOST_SUSPECTS, Audit, judge
from semdd_lightning.audit.votes import Votes, even_sample, vote, vote_by_class_means, vote_by_prototypes
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools import Pool
from semdd_lightning.prior import PoolEmbeddings

TeacherLogits = Callable[[Pool, NDArray[np.int64]], NDArray[np.float32]]
"""Gives a teacher's logits (n, C) for the images of a pool at rows (n,)."""

AUTOMATIC = 100  # images of a folder that are looked at before training


def audit_classes(
    images: Pool,
    embeddings: PoolEmbeddings,
    reference: tuple[Pool, PoolEmbeddings] | None = None,
    *,
    teacher: TeacherLogits | None = None,
    most_suspects: float = MOST_SUSPECTS,
    at_most: int | None = None,
) -> Audit:
    """Audit the classes of an embedded pool.

    Args:
        images: the pool.
        embeddings: its embeddings.
        reference: real images of the same classes, and their embeddings by the same CLIP model.
        teacher: a teacher that votes too.
        most_suspects: share of suspect folders above which the pool is refused, 0 to 1.
        at_most: look at so many images of each folder, evenly spaced; default: all. The rows of single
            images in the result count in the pool either way.
    """
    rows = np.arange(len(images)) if at_most is None else even_sample(images.labels, at_most)
    text = says_something(images.registry)
    prototypes = embeddings.text_prototypes.numpy() if text and len(embeddings.text_prototypes) else None
    real = None
    if reference is not None:
        real_images, real_embeddings = reference
        real = (real_embeddings.image_embeddings.numpy(), real_images.labels)
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
            else _teacher_votes(teacher, reference[0], np.arange(len(reference[0])))
        ),
        most_suspects=most_suspects,
    )
    return audit.counted_in(rows)


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
