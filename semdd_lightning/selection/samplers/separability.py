"""The most separable images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.prototypes import PrototypeSource
from semdd_lightning.selection.quality_sampler import QualitySampler
from semdd_lightning.selection.samplers.top import top
from semdd_lightning.selection.scores import ClassSeparability, Need


@dataclass(frozen=True, kw_only=True)
class Separability(QualitySampler):
    """The images that are least like the other classes, by default by the prompts."""

    name: ClassVar[str] = "separability"
    meaning: ClassVar[str] = "the best by class_separability from the other classes' prompts"
    needs: ClassVar[frozenset[Need]] = frozenset({"several_classes"})

    separability_weight: float = 1.0
    prototypes: PrototypeSource = "text"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the top of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        return top(pool.scores[ClassSeparability.name], ipc)
