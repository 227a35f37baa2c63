"""From a planned batch to pixels: the images it names, augmented and mixed as its draws say."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from semdd_lightning.data.augmentation import Augmentation, augment, mix
from semdd_lightning.data.batches import TrainingImages
from semdd_lightning.data.loaders import TrainingIndices
from semdd_lightning.data.passes import PlannedBatch
from semdd_lightning.data.storage import ImageStore


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
