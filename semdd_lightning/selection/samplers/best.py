"""Samplers that take the best by one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import ceil_of_product, check_share
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.prototypes import PrototypeSource
from semdd_lightning.selection.quality_sampler import QualitySampler, semantic_filter
from semdd_lightning.selection.scores.of_images import Typicality
from semdd_lightning.selection.scores.of_prototypes import ClassRelevance, ClassSeparability
from semdd_lightning.selection.scores.score import Need
from semdd_lightning.selection.ties import ranking


def top(scores: Tensor, ipc: int) -> Picks:
    """The images of highest score, best first; equals in path order.

    Args:
        scores: One score of the images of a class ``(n_c,)``, float64.
        ipc: Images to pick, <= n_c.

    >>> import torch
    >>> top(torch.tensor([0.1, 0.9, 0.5], dtype=torch.float64), 2).order.tolist()
    [1, 2]
    """
    order = ranking(scores)[:ipc]
    return Picks(order, scores[order])


@dataclass(frozen=True, kw_only=True)
class Relevance(QualitySampler):
    """The images closest to the prototype of their class, by default that of its prompts."""

    name: ClassVar[str] = "relevance"
    meaning: ClassVar[str] = "the best by class_relevance to the prompts"

    separability_weight: float = 0.0
    prototypes: PrototypeSource = "text"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the most relevant images of one class."""
        return top(pool.scores[ClassRelevance.name], ipc)


@dataclass(frozen=True, kw_only=True)
class Separability(QualitySampler):
    """The images that are least like the other classes, by default by the prompts."""

    name: ClassVar[str] = "separability"
    meaning: ClassVar[str] = "the best by class_separability from the other classes' prompts"
    needs: ClassVar[frozenset[Need]] = ClassSeparability.needs

    separability_weight: float = 1.0
    prototypes: PrototypeSource = "text"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the most separable images of one class."""
        return top(pool.scores[ClassSeparability.name], ipc)


@dataclass(frozen=True, kw_only=True)
class Quality(QualitySampler):
    """The images of highest quality; parameters are those of `QualityRule`."""

    name: ClassVar[str] = "quality"
    meaning: ClassVar[str] = "the best by quality: stage 1 alone"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the best images of one class."""
        return top(pool.quality, ipc)


@dataclass(frozen=True, kw_only=True)
class MostTypical(QualitySampler):
    """The images of highest typicality among the better half of the class by quality.

    Typicality is the score of that name, of "Active Learning on a Budget: Opposite Strategies Suit High and
    Low Budgets" (TypiClust, arXiv 2202.02794): neighbours are those in the whole class. Parameters are those
    of `QualityRule`, and:

    Args:
        better_share: Share of the class that is chosen from, in (0, 1]; at least ipc images.

    Raises:
        SelectionError: If a value is out of range.
    """

    name: ClassVar[str] = "typicality"
    meaning: ClassVar[str] = "the best by typicality among the better half by quality"
    uses: ClassVar[tuple[str, ...]] = (Typicality.name,)

    better_share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("better_share", self.better_share)
        if self.better_share == 0:
            msg = "Expected better_share to be above 0, found 0; 1 chooses from the whole class."
            raise SelectionError(msg)

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the most typical of the better images of one class."""
        kept = max(ceil_of_product(self.better_share, len(pool)), ipc)
        better, order = semantic_filter(pool.quality, kept)
        best = top(pool.scores[Typicality.name][better], ipc)
        return Picks(better[best.order], best.values, ranking=order, kept=kept)
