"""Confidence: how sure a classifier is of what it sees, right or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from semdd_lightning.selection.scores.score import ClassImages, Need, Score, needed


@dataclass(frozen=True)
class Confidence(Score):
    """The largest probability that a classifier gives any class."""

    name: ClassVar[str] = "confidence"
    meaning: ClassVar[str] = "the classifier is sure of what it sees, be it another class"
    value_range: ClassVar[str] = "(0, 1]"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    is_probability: ClassVar[bool] = True

    def __call__(self, images: ClassImages) -> Tensor:
        """Largest probabilities ``(n_c,)``.

        Args:
            images: The images of one class, with a classifier's outputs.
        """
        return needed(images.classifier, "classifier", self.name).largest
