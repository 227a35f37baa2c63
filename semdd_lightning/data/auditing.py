"""Ask CLIP, real images and a teacher whether a pool's folders hold the classes they are named for."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Callable
from io import StringIO
from typing import Literal

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
from semdd_lightning.data.reference_images import ReferenceImages
from semdd_lightning.data.storage import square
from semdd_lightning.errors import AuditError
from semdd_lightning.pools import Pool
from semdd_lightning.pools.images import decode_image
from semdd_lightning.prior import PoolEmbeddings

AuditPolicy = Literal["refuse", "warn", "off"]
TeacherLogits = Callable[[Pool, NDArray[np.int64]], NDArray[np.float32]]
"""Gives a teacher's logits (n, C) for the images of a pool at rows (n,)."""

AUTOMATIC = 100  # images of a folder that are looked at before training
_BATCH = 256  # images that a teacher sees at once
_SHOWN = 5  # folders in a message

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
    prototypes = embeddings.text_prototypes.numpy() if text else None
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


def describe_refusal(registry: ClassRegistry, audit: Audit) -> str | None:
    """Why a pool is refused, in words with the mapping; none where it is not.

    Args:
        registry: the pool's classes.
        audit: what was found.
    """
    if audit.other_order:
        by = audit.clip if len(audit.clip.moved) else audit.teacher
        voters = " and ".join(by.voters) if by is not None else "the teacher"
        doubt = (
            ""
            if audit.knows_classes and not audit.without_reference
            else " (A CLIP that does not know these names looks the same: --reference, real images, tells.)"
        )
        return (
            f"Expected every folder to hold its class, found that another order of the classes explains the "
            f"pool clearly better: by {voters}, {_percent(by.accuracy if by else 0)} of the images show the "
            f"class of their folder, and {_percent(by.best_accuracy if by else 0)} would if the classes were "
            f"these:\n\n{mapping_csv(registry, audit.order)}\nPut this into a file and give it as the class "
            f"list (--classes FILE; in a config `classes: FILE`), or rename the folders; `semdd select` and "
            f"`semdd fit` go on as it is with --audit warn and --data.audit warn.{doubt}"
        )
    if audit.too_many_suspects:
        return (
            f"{describe_suspects(registry, audit)} That is more than {_percent(audit.most_suspects)} of the "
            "folders; make them again, or go on: `semdd select --audit warn`, in a config `audit: warn`."
        )
    return None


def describe_suspects(registry: ClassRegistry, audit: Audit) -> str:
    """Which folders seem not to hold their class alone, and what they hold.

    Args:
        registry: the pool's classes.
        audit: what was found.
    """
    found = [
        f"{registry.folders[f]!r} ({registry.names[f]}): {_percent(audit.contents.share[f])} like "
        f"{registry.names[audit.contents.suspected[f]]!r}"
        for f in audit.suspects[:_SHOWN].tolist()
    ]
    more = f" and {len(audit.suspects) - _SHOWN} more" if len(audit.suspects) > _SHOWN else ""
    return (
        f"Expected every folder to hold its class, found {len(audit.suspects)} of {len(registry)} suspect: "
        f"{'; '.join(found)}{more}. Look at them: `semdd audit` shows all."
    )


def mapping_csv(registry: ClassRegistry, order: NDArray[np.int64]) -> str:
    """A class list, ready to be used, in which every folder has the class that it holds.

    Args:
        registry: the pool's classes.
        order: class that each folder holds, (C,).
    """
    folder_of = np.empty(len(order), dtype=np.int64)
    folder_of[order] = np.arange(len(order))
    columns = [registry.names, [registry.folders[folder] for folder in folder_of]]
    header = ["name", "folder"]
    if registry.wnids is not None:
        columns, header = [*columns, registry.wnids], [*header, "wnid"]
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *zip(*columns, strict=True)])
    return text.getvalue()


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


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
