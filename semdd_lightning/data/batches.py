"""The batches that modules receive, and how a planned batch becomes one: its images augmented and mixed."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from semdd_lightning.data.augmentation import Augmentation, augment, mix
from semdd_lightning.data.loaders import TrainingIndices
from semdd_lightning.data.passes import PlannedBatch
from semdd_lightning.data.storage import ImageStore


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


def augmented_batch(batch: TrainingIndices, store: ImageStore, policy: Augmentation) -> TrainingImages:
    """The images of a planned batch in [0, 1], on the device that their pixels are on.

    Args:
        batch: what is planned, and the pixels where the images do not live on the device.
        store: the training images.
        policy: the augmentation that the plan was drawn for.
    """
    plan = batch.plan
    pixels = store.gather(plan.images) if batch.pixels is None else batch.pixels
    images = augment(pixels.float() / 255, plan.draws, policy)
    labels = store.labels.to(pixels.device)[plan.images]
    rows = len(plan.partners)
    mixed, ratio = _mixed(images[:rows], images[plan.partners], plan, policy)
    return TrainingImages(
        images=mixed,
        labels=labels[:rows],
        partner_labels=labels[plan.partners],
        ratio=ratio,
        weight=plan.weight,
        rows=plan.images[:rows],
        partner_rows=plan.images[plan.partners],
        drawn_pass=plan.drawn_pass,
    )


def _mixed(
    images: Tensor, partners: Tensor, plan: PlannedBatch, policy: Augmentation
) -> tuple[Tensor, Tensor]:
    """Mixed images (B, 3, S, S) and the share of each that is its own, as `TrainingImages` holds it."""
    if len(plan.mixes) == 1:
        return mix(images, partners, plan.mixes[0], policy), plan.mixes[0].ratio
    stops = list(accumulate(plan.sizes))
    mixed, ratios = [], []
    for draw, start, stop in zip(plan.mixes, [0, *stops], stops, strict=False):
        mixed.append(mix(images[start:stop], partners[start:stop], draw, policy))
        ratios.append(draw.ratio.expand(stop - start))
    return torch.cat(mixed), torch.cat(ratios)
