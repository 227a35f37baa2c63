"""A pool as several priors see it, in one set of vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from semdd_lightning.errors import PriorError
from semdd_lightning.prior.embedding import PoolEmbeddings
from semdd_lightning.prior.open_clip_prior import OpenClipPrior
from semdd_lightning.prior.parsing import AnyPrior, Prior, as_prior


def listed_priors(prior: AnyPrior | Sequence[AnyPrior]) -> tuple[Prior, ...]:
    """One prior or several, as several.

    Args:
        prior: What a user gave: one as `as_prior` takes it, or several, no two alike.

    Raises:
        PriorError: If there is none, one stands there twice, or one is no prior.
    """
    given = prior if isinstance(prior, Sequence) and not isinstance(prior, str) else [prior]
    priors = tuple(as_prior(one) for one in given)
    if not priors or any(one in priors[:place] for place, one in enumerate(priors)):
        msg = (
            f"Expected one prior or several that differ, found {len(priors)}"
            f"{', one of them twice' if priors else ''}; name each once."
        )
        raise PriorError(msg)
    return priors


def first_clip(priors: Sequence[Prior]) -> OpenClipPrior | None:
    """The first CLIP model among priors, which can be a teacher as well; None if there is none.

    Args:
        priors: The priors.
    """
    return next((prior for prior in priors if isinstance(prior, OpenClipPrior)), None)


def join(parts: Sequence[PoolEmbeddings]) -> PoolEmbeddings:
    """The embeddings of one pool under several priors as one: a logit is the mean of the priors' logits.

    The vectors of a prior are scaled by the square root of its share of the sum of the logit scales and stand
    side by side; the logit scale is the mean. One prior's embeddings stay as they are.

    Args:
        parts: The embeddings under each prior, rows in the same order.
    """
    if len(parts) == 1:
        return parts[0]
    total = sum(part.logit_scale for part in parts)
    roots = [(part.logit_scale / total) ** 0.5 for part in parts]
    return PoolEmbeddings(
        torch.cat([r * part.image_embeddings for r, part in zip(roots, parts, strict=True)], dim=1),
        torch.cat([r * part.text_prototypes for r, part in zip(roots, parts, strict=True)], dim=1),
        logit_scale=total / len(parts),
        key="+".join(part.key for part in parts),
        encoded=sum(part.encoded for part in parts),
        text_key="+".join(part.text_key for part in parts),
        parts=tuple(parts),
    )
