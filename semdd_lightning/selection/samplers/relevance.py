"""The most relevant images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.prototypes import PrototypeSource
from semdd_lightning.selection.quality_sampler import QualitySampler
from semdd_lightning.selection.samplers.top import top
from semdd_lightning.selection.scores import ClassRelevance


@dataclass(frozen=True, kw_only=True)
class Relevance(QualitySampler):
    """The images closest to the prototype of their class, by default that of its prompts."""

    name: ClassVar[str] = "relevance"
    meaning: ClassVar[str] = "the best by class_relevance to the prompts"

    separability_weight: float = 0.0
    prototypes: PrototypeSource = "text"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the top of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        return top(pool.scores[ClassRelevance.name], ipc)
