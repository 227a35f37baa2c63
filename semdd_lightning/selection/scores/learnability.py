"""Learnability: how early a small student that learns from the pool believes an image's class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from semdd_lightning.selection.scores.score import ClassImages, Need, Score, needed


@dataclass(frozen=True)
class Learnability(Score):
    """The log posterior of the own class, averaged over the passes of a student that learns from the pool.

    The prior says what an image shows; this says whether a student can see it. The mean over a training is
    the confidence of "Dataset Cartography" (Swayamdipta et al. 2020, arXiv 2009.10795), which finds odd and
    mislabelled images as well; "Identifying Mislabeled Data using the Area Under the Margin Ranking" (Pleiss
    et al. 2020, arXiv 2001.10528) averages margins instead.
    """

    name: ClassVar[str] = "learnability"
    meaning: ClassVar[str] = "a student learns early that it shows its class"
    value_range: ClassVar[str] = "(-inf, 0]"
    needs: ClassVar[frozenset[Need]] = frozenset({"learning"})

    def __call__(self, images: ClassImages) -> Tensor:
        """Mean log posteriors ``(n_c,)``.

        Args:
            images: The images of one class, with what a student learned of them.
        """
        return needed(images.learning, "learning", self.name)
