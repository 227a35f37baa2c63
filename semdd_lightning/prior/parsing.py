"""The kinds of priors, and one or several of them out of words or descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from semdd_lightning.errors import PriorError
from semdd_lightning.prior.named_models import Activation
from semdd_lightning.prior.open_clip_prior import OpenClipPrior
from semdd_lightning.prior.sources import DIGITS
from semdd_lightning.prior.timm_prior import TimmPrior

Prior = OpenClipPrior | TimmPrior
AnyPrior = Prior | Path | str
"""A prior, or its name as `parse_prior` takes it."""


def prior_kind(description: Mapping[str, Any]) -> type[OpenClipPrior] | type[TimmPrior]:
    """The class that a manifest or config describes: by its path, else by the argument that only it needs.

    Args:
        description: ``class_path`` and ``init_args``, or the arguments alone.
    """
    path = description.get("class_path")
    if path is None:
        return TimmPrior if "name" in description else OpenClipPrior
    return TimmPrior if str(path).rpartition(".")[2] == TimmPrior.__name__ else OpenClipPrior


def prior_in_words(described: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """What a command line calls the priors of a manifest or config, for people to read.

    >>> prior_in_words({"model": "ViT-B-32-quickgelu", "pretrained": "openai"})
    'ViT-B-32-quickgelu:openai'

    Args:
        described: One description as `prior_kind` takes it, or several.
    """
    if not isinstance(described, Mapping):
        return " and ".join(map(prior_in_words, described))
    arguments = described.get("init_args", described)
    if prior_kind(described) is TimmPrior:
        words = [f"timm/{arguments['name']}", arguments.get("weights")]
    else:
        words = [arguments["model"], arguments.get("pretrained")]
    known = " (the package's own, which knows digits only)" if words[0] == DIGITS else ""
    return ":".join(str(word) for word in words if word is not None) + known


def as_prior(prior: object) -> Prior:
    """A prior as it is; a name or a folder as `parse_prior` takes it.

    Args:
        prior: What a user gave as a prior.

    Raises:
        PriorError: If it is neither.
    """
    if isinstance(prior, OpenClipPrior | TimmPrior):
        return prior
    if isinstance(prior, str | Path):
        return parse_prior(str(prior))
    msg = f"Expected a prior or its name, found {prior!r}; give OpenClipPrior(...), or MODEL:TAG."
    raise PriorError(msg)


def parse_prior(text: str) -> Prior:
    """A prior out of one word of a command line.

    Args:
        text: ``DIR``, ``MODEL:TAG``, ``MODEL:FILE:ACTIVATION``, ``digits``, ``timm/NAME`` or
            ``timm/NAME:FILE``.

    Raises:
        PriorError: If it is none of these, or names something that is not there.

    >>> parse_prior("ViT-B-32:laion2b_s34b_b79k").pretrained
    'laion2b_s34b_b79k'
    """
    if text == DIGITS or text.startswith("local-dir:") or Path(text).expanduser().is_dir():
        prior: Prior = OpenClipPrior(text)
    elif text.startswith("timm/"):
        name, _, file = text.removeprefix("timm/").partition(":")
        prior = TimmPrior(name, Path(file) if file else None)
    else:
        model, _, pretrained = text.partition(":")
        weights, _, last = pretrained.rpartition(":")
        activation = cast("Activation", last) if weights and last in ("gelu", "quickgelu") else None
        prior = OpenClipPrior(model, (weights if activation else pretrained) or None, activation)
    prior.check()
    return prior


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
