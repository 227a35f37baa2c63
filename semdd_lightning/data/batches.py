"""The batches that modules receive."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class TrainingImages(NamedTuple):
    """One rank's augmented part of a global batch.

    Attributes:
        images: augmented and mixed images in [0, 1], (B, 3, S, S).
        labels: class of each image, (B,).
        partner_labels: class of the image mixed into it, (B,).
        ratio: share of the image that is its own, 0-dim; 1 where nothing is mixed.
        weight: factor on the mean loss that makes the mean over ranks the global batch's mean, 0-dim.
    """

    images: Tensor
    labels: Tensor
    partner_labels: Tensor
    ratio: Tensor
    weight: Tensor


class EvaluationImages(NamedTuple):
    """Real images in [0, 1] (B, 3, S, S), their classes (B,) and their rows in the split (B,)."""

    images: Tensor
    labels: Tensor
    rows: Tensor
