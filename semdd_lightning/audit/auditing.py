"""Ask CLIP, real images and a teacher what a pool's folders hold; go on, warn, or refuse, and say why."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from semdd_lightning.audit.verdict import MOST_SUSPECTS, Audit, judge
from semdd_lightning.audit.votes import Votes, even_sample, vote, vote_by_class_means, vote_by_prototypes
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import AuditError
from semdd_lightning.given import require_word
from semdd_lightning.names import get_logger
from semdd_lightning.pools import Pool
from semdd_lightning.prior import PoolEmbeddings

TeacherLogits = Callable[[Pool, NDArray[np.int64]], NDArray[np.float32]]
"""Gives a teacher's logits (n, C) for the images of a pool at rows (n,)."""
AuditPolicy = Literal["refuse", "warn", "off"]
_Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]  # vectors (n, d) and their labels (n,)

AUTOMATIC = 100  # images of a folder that are looked at before training
_SHOWN = 5  # folders in a message
logger = get_logger(__name__)


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
    prototypes = (
        embeddings.text_prototypes.numpy() if _has_words(images.registry) else np.empty(0, np.float32)
    )

    def ask_clip(labelled: _Labelled, reference: _Labelled | None = None) -> list[Votes]:
        by_means = vote_by_class_means(*labelled, len(images.registry), reference)
        if not len(prototypes):
            return [by_means]
        return [vote_by_prototypes("text", *labelled, prototypes, embeddings.logit_scale), by_means]

    def ask_teacher(pool: Pool, rows: NDArray[np.int64]) -> Votes | None:
        if teacher is None:
            return None
        logits = teacher(pool, rows)
        return vote("teacher", lambda part: logits[part], pool.labels[rows], len(images.registry))

    rows = np.arange(len(images)) if at_most is None else even_sample(images.labels, at_most)
    own = embeddings.image_embeddings.numpy()[rows], images.labels[rows]
    if reference is None:
        audit = judge(ask_clip(own), teacher=ask_teacher(images, rows), most_suspects=most_suspects)
    else:
        real = reference[1].image_embeddings.numpy(), reference[0].labels
        audit = judge(
            ask_clip(own, real),
            ask_clip(real),
            teacher=ask_teacher(images, rows),
            teacher_reference=ask_teacher(reference[0], np.arange(len(reference[0]))),
            most_suspects=most_suspects,
        )
    return replace(audit, strays=rows[audit.strays])


def _has_words(registry: ClassRegistry) -> bool:
    """Whether class names are words that CLIP's texts can be asked about, and not numbers."""
    words = {re.sub(r"[\d\W_]+", "", name).casefold() for name in registry.names}
    return len(words - {""}) > len(registry) / 2


def check_policy(policy: str) -> None:
    """Refuse a policy that there is not."""
    require_word("audit", policy, get_args(AuditPolicy))


def apply_policy(images: Pool, audit: Audit, policy: AuditPolicy) -> None:
    """Refuse a pool whose folders do not hold their classes, or go on, as asked, and say what is suspect.

    Raises:
        AuditError: if the pool is refused.
    """
    problem = describe_refusal(images.registry, audit)
    if problem is not None and policy == "refuse":
        raise AuditError(problem)
    if problem is not None:
        logger.warning("%s Going on all the same, as asked.", problem)
    elif len(audit.suspects):
        logger.warning("%s", _describe_suspects(images.registry, audit))


def describe_refusal(registry: ClassRegistry, audit: Audit) -> str | None:
    """Why a pool is refused, in words with the mapping; None where it is not."""
    if audit.other_order:
        by = audit.voice
        doubt = (
            ""
            if audit.knows_classes and audit.contents.reference_agreement is not None
            else " (A CLIP that does not know these names looks the same: --reference, real images, tells.)"
        )
        return (
            f"Expected every folder to hold its class, found that another order of the classes explains the "
            f"pool clearly better: by {' and '.join(by.voters)}, {_percent(by.accuracy)} of the images show "
            f"the class of their folder, and {_percent(by.best_accuracy)} would if the classes were "
            f"these:\n\n{_mapping_csv(registry, audit.order)}\nPut this into a file and give it as the class "
            f"list (--classes FILE; in a config `classes: FILE`), or rename the folders; `semdd select` and "
            f"`semdd fit` go on as it is with --audit warn and --data.audit warn.{doubt}"
        )
    if audit.too_many_suspects:
        return (
            f"{_describe_suspects(registry, audit)} That is more than {_percent(audit.most_suspects)} of the "
            "folders; make them again, or go on: `semdd select --audit warn`, in a config `audit: warn`."
        )
    return None


def _describe_suspects(registry: ClassRegistry, audit: Audit) -> str:
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


def _mapping_csv(registry: ClassRegistry, order: NDArray[np.int64]) -> str:
    """A class list, ready to be used, in which every folder has the class that it holds."""
    columns = {"name": registry.names, "folder": [registry.folders[f] for f in np.argsort(order)]}
    if registry.wnids is not None:
        columns["wnid"] = registry.wnids
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
