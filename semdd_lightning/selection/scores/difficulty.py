"""Difficulty: how little a classifier believes in an image's class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from semdd_lightning.selection.scores.score import ClassImages, Need, Score, needed


@dataclass(frozen=True)
class Difficulty(Score):
    """1 - p(true class) of a classifier.

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
        """Probabilities of all other classes together ``(n_c,)``.

        Args:
            images: The images of one class, with a classifier's outputs.
        """
        return 1 - needed(images.classifier, "classifier", self.name).own
