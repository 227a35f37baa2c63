"""What a sampler is given of one class, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from semdd_lightning.selection.scores import ClassImages


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassPool(ClassImages):
    """The images of one class, in path order, with their scores; a sampler may keep it.

    Args:
        rows: Pool rows of the images ``(n_c,)``, ascending, int64.
        predicted: Zero-shot class index, that of the nearest text prototype ``(n_c,)``, int64.
        scores: By name, scores ``(n_c,)``: relevance, separability where there are several classes, those
            that quality is made of, and what the sampler asks for.
        quality: q ``(n_c,)`` by the sampler's rule.
    """

    rows: Tensor
    predicted: Tensor
    scores: Mapping[str, Tensor]
    quality: Tensor


@dataclass(frozen=True, eq=False)
class Picks:
    """The decision on one class; positions count within the class.

    Args:
        order: Positions of the chosen images ``(ipc,)``, int64, in order of the picks.
        values: The value each was picked with ``(ipc,)``, float64; NaN where there is none.
        ranking: All positions from the best to the worst of stage 1 ``(n_c,)``; None without a stage 1.
        kept: How many of the ranking are candidates, in [ipc, n_c]; unused without a stage 1.
    """

    order: Tensor
    values: Tensor
    ranking: Tensor | None = None
    kept: int = 0
