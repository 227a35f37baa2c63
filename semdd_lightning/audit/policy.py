"""What follows from an audit: go on, go on with a warning, or refuse."""

from __future__ import annotations

from typing import Literal, get_args

from semdd_lightning.audit.messages import describe_refusal, describe_suspects
from semdd_lightning.audit.verdict import Audit
from semdd_lightning.errors import AuditError
from semdd_lightning.given import require_word
from semdd_lightning.names import get_logger
from semdd_lightning.pools import Pool

AuditPolicy = Literal["refuse", "warn", "off"]

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
