"""The images of highest quality: stage 1 of two-stage sampling alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.quality_sampler import QualitySampler
from semdd_lightning.selection.samplers.top import top


@dataclass(frozen=True, kw_only=True)
class Quality(QualitySampler):
    """The images of highest quality; parameters are those of `QualityRule`."""

    name: ClassVar[str] = "quality"
    meaning: ClassVar[str] = "the best by quality: stage 1 alone"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the top of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        return top(pool.quality, ipc)
