"""Scores that trained networks give: a classifier of the classes, a student that learns from the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from semdd_lightning.selection.scores.score import ClassImages, Need, Score, needed


@dataclass(frozen=True)
class Difficulty(Score):
    """1 - p(true class) of a classifier: how little it sees an image's class.

    That of "Difficulty Guided Sampling" (DGS, arXiv 2507.03331), which takes the 1000-way probability of
    torchvision's ResNet-50. Here p is over all classes that the classifier knows, with that network the same:
    over the pool's classes alone, which may be ten, nearly every image would have a difficulty of 0.
    """

    name: ClassVar[str] = "difficulty"
    meaning: ClassVar[str] = "the classifier does not see the class"
    value_range: ClassVar[str] = "[0, 1]"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    is_probability: ClassVar[bool] = True

    def __call__(self, images: ClassImages) -> Tensor:
        """Probabilities of all other classes together ``(n_c,)``."""
        return 1 - needed(images.classifier, "classifier", self.name).own


@dataclass(frozen=True)
class Confidence(Score):
    """The largest probability that a classifier gives any class, right or wrong."""

    name: ClassVar[str] = "confidence"
    meaning: ClassVar[str] = "the classifier is sure of what it sees, be it another class"
    value_range: ClassVar[str] = "(0, 1]"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    is_probability: ClassVar[bool] = True

    def __call__(self, images: ClassImages) -> Tensor:
        """Largest probabilities ``(n_c,)``."""
        return needed(images.classifier, "classifier", self.name).largest


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
        """Mean log posteriors ``(n_c,)``."""
        return needed(images.learning, "learning", self.name)
