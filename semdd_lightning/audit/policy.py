"""What follows from an audit: go on, go on with a warning, or refuse, said in words and as a class list."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.audit.verdict import Audit
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import AuditError
from semdd_lightning.given import require_word
from semdd_lightning.names import get_logger
from semdd_lightning.pools import Pool

AuditPolicy = Literal["refuse", "warn", "off"]

_SHOWN = 5  # folders in a message
logger = get_logger(__name__)


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


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
