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
        ratio: share of the image that is its own, 1 where nothing is mixed; 0-dim where the batch shares one
            mixing, (B,) where it lies in several mixing groups.
        weight: factor on the mean loss that makes the mean over ranks the global batch's mean, 0-dim.
        rows: which chosen image each one is, (B,).
        partner_rows: which chosen image was mixed into it, (B,).
        drawn_pass: the pass whose draws made the pixels; with ``rows``, what a stored label is found by.
    """

    images: Tensor
    labels: Tensor
    partner_labels: Tensor
    ratio: Tensor
    weight: Tensor
    rows: Tensor
    partner_rows: Tensor
    drawn_pass: int


class EvaluationImages(NamedTuple):
    """Real images in [0, 1] (B, 3, S, S), their classes (B,) and their rows in the split (B,)."""

    images: Tensor
    labels: Tensor
    rows: Tensor
