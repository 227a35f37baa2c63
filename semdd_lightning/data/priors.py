"""Priors out of the words of a command line, a config or a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from semdd_lightning.export import build_component
from semdd_lightning.prior import Prior, parse_prior, prior_kind


def build_priors(given: Mapping[str, Any] | Sequence[str | Mapping[str, Any]]) -> list[Prior]:
    """The priors that somebody asked for.

    Args:
        given: words or descriptions, or one description.

    Raises:
        PriorError: if a word names no prior.
        RunError: if a description does not fit.
    """
    priors: list[Prior] = []
    for one in [given] if isinstance(given, Mapping) else given:
        if isinstance(one, str):
            priors.append(parse_prior(one))
        else:
            kind: Callable[..., Prior] = prior_kind(one)
            priors.append(build_component(dict(one), kind))
    return priors
