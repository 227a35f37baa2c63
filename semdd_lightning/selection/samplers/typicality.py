"""The most typical images among those that show their class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import ceil_of_product, check_share
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.quality_sampler import QualitySampler, semantic_filter
from semdd_lightning.selection.samplers.top import top
from semdd_lightning.selection.scores import Typicality


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
        """Take the most typical of the better images of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        kept = max(ceil_of_product(self.better_share, len(pool)), ipc)
        better, order = semantic_filter(pool.quality, kept)
        best = top(pool.scores[Typicality.name][better], ipc)
        return Picks(better[best.order], best.values, ranking=order, kept=kept)
