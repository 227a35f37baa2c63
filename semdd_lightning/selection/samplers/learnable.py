"""Two-stage sampling that asks, beside the prior, what a student learns early."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import check_share
from semdd_lightning.selection.quality_sampler import between_10_and_50
from semdd_lightning.selection.samplers.two_stage import TwoStage
from semdd_lightning.selection.scores import Learnability, Score

_OF_FEW, _OF_MANY = 0.5, 0.25


@dataclass(frozen=True, kw_only=True)
class Learnable(TwoStage):
    """Two-stage sampling whose quality holds what a small student learns early of the pool.

    Parameters are those of `TwoStage`, and:

    Args:
        learnability_weight: Weight of `learnability` in quality, in [0, 1]; the other scores share the rest.
            ``auto``: 0.5 up to 10 images per class, 0.25 from 50 on, between them by the logarithm.

    Raises:
        SelectionError: If a value is out of range, or ``scores`` weigh `learnability` as well.
    """

    name: ClassVar[str] = "learnable"
    meaning: ClassVar[str] = "two_stage, by what a small student learns early as well"

    learnability_weight: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if self.learnability_weight != "auto":
            check_share("learnability_weight", self.learnability_weight)
        super().__post_init__()
        if any(isinstance(score, Learnability) for score, _ in super().weighted_scores):
            msg = (
                "Expected scores beside learnability, which learnability_weight weighs, found "
                f"{self.scores}; leave it out, or give these scores to two_stage."
            )
            raise SelectionError(msg)

    def resolved(self, ipc: int) -> Learnable:
        """The sampler with numbers for ratio and weights.

        Args:
            ipc: Images per class, >= 1.
        """
        two_stage = cast("Learnable", super().resolved(ipc))
        if self.learnability_weight != "auto":
            return two_stage
        return replace(two_stage, learnability_weight=between_10_and_50(ipc, _OF_FEW, _OF_MANY))

    @property
    def weighted_scores(self) -> list[tuple[Score, float]]:
        """The scores that count, each with its weight; ``auto`` stands for that of few images per class."""
        share = _OF_FEW if self.learnability_weight == "auto" else self.learnability_weight
        weighted = [(score, (1 - share) * weight) for score, weight in super().weighted_scores]
        return [pair for pair in (*weighted, (Learnability(), share)) if pair[1] > 0]
