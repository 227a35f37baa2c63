"""Two-stage sampling that asks, beside the prior, what a student learns early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from semdd_lightning.selection.checks import check_share
from semdd_lightning.selection.samplers.two_stage import TwoStage
from semdd_lightning.selection.scores import Learnability, Score


@dataclass(frozen=True, kw_only=True)
class Learnable(TwoStage):
    """Two-stage sampling whose quality holds what a small student learns early of the pool.

    Parameters are those of `TwoStage`, and:

    Args:
        learnability_weight: Weight of `learnability` in quality, in [0, 1]; the other scores share the rest.

    Raises:
        SelectionError: If a value is out of range.
    """

    name: ClassVar[str] = "learnable"
    meaning: ClassVar[str] = "two_stage, by what a small student learns early as well"

    learnability_weight: float = 0.5

    def __post_init__(self) -> None:
        check_share("learnability_weight", self.learnability_weight)
        super().__post_init__()

    @property
    def weighted_scores(self) -> list[tuple[Score, float]]:
        """The scores that count, each with its weight; weights add up to 1."""
        share = self.learnability_weight
        weighted = [(score, (1 - share) * weight) for score, weight in super().weighted_scores]
        return [pair for pair in (*weighted, (Learnability(), share)) if pair[1] > 0]
