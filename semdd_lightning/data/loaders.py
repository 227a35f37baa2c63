"""Loaders that hand Lightning its batches, planned passes and whole splits, and what modules receive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from semdd_lightning.data.augmentation import Augmentation, augment, mix
from semdd_lightning.data.passes import PassPlan, PassPlanner, PlannedBatch
from semdd_lightning.data.storage import ImageStore

Batch = TypeVar("Batch")


class TrainingIndices(NamedTuple):
    """What travels to the device for one step: the plan and, where images live off the device, pixels."""

    plan: PlannedBatch
    pixels: Tensor | None

    def to(self, device: torch.device) -> TrainingIndices:
        """The same on a device; Lightning calls it, and else would look for tensors among all the values."""
        moved: TrainingIndices = _moved(self, device)
        return moved


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
    """Real images (B, 3, S, S), their classes (B,) and their rows in the split (B,).

    Pixels are in [0, 1], and uint8 until they are on the device.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor


@dataclass(eq=False)
class PassLoader:
    """One rank's training batches, several passes a Lightning epoch.

    Args:
        store: the chosen images.
        planner: order and draws of every pass.
        passes_per_epoch: passes that make one epoch.
        epoch: gives the current epoch, so that a resumed run goes on with the right pass.
        rank: this process.
        world_size: number of processes.
        num_workers: processes that decode images which live on disk.
        done: gives the batches of the epoch that were trained before, where a run goes on within one.
    """

    store: ImageStore
    planner: PassPlanner
    passes_per_epoch: int
    epoch: Callable[[], int]
    rank: int = 0
    world_size: int = 1
    num_workers: int = 0
    done: Callable[[], int] = lambda: 0

    def __len__(self) -> int:
        return self.passes_per_epoch * len(self.planner.batches)

    def __iter__(self) -> Iterator[TrainingIndices]:
        first, done = self.epoch() * self.passes_per_epoch, self.done()
        if self.store.storage == "disk":
            start = first * len(self.planner.batches)
            make = partial(_planned_batch, self.store, self.planner, self.rank, self.world_size)
            yield from _by_workers(make, range(start + done, start + len(self)), self.num_workers)
            return
        gather = self.store.gather if self.store.storage == "host" else None
        passes = range(first, first + self.passes_per_epoch)
        for plan in self.planner.iterate(passes, self.rank, self.world_size, done):
            yield TrainingIndices(plan, gather(plan.images) if gather else None)


@dataclass(eq=False)
class EvaluationLoader:
    """One rank's share of a split: every image once over all ranks, none repeated to fill up.

    All ranks get the same number of batches, so that collectives inside a forward pass match.

    Args:
        store: the split.
        batch_size: images per batch and rank, at most.
        rank: this process.
        world_size: number of processes.
        num_workers: processes that decode images which live on disk.
    """

    store: ImageStore
    batch_size: int
    rank: int = 0
    world_size: int = 1
    num_workers: int = 0

    @cached_property
    def batches(self) -> tuple[Tensor, ...]:
        """Rows of each batch."""
        count = evaluation_batches(len(self.store), self.batch_size, self.world_size)
        return torch.tensor_split(torch.arange(len(self.store))[self.rank :: self.world_size], count)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[EvaluationImages]:
        make, numbers = partial(_evaluation_batch, self.store, self.batches), range(len(self))
        if self.store.storage == "disk":
            yield from _by_workers(make, numbers, self.num_workers)
        else:
            yield from map(make, numbers)


def evaluation_batches(num_images: int, batch_size: int, world_size: int = 1) -> int:
    """Batches that each of several processes has of a split.

    Args:
        num_images: images of the split.
        batch_size: images per batch and process, at most.
        world_size: number of processes.

    Examples:
        >>> evaluation_batches(896, 500), evaluation_batches(896, 100, world_size=2)
        (2, 5)
    """
    return -(-num_images // (batch_size * world_size))


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


def _planned_batch(
    store: ImageStore, planner: PassPlanner, rank: int, world_size: int, step: int
) -> TrainingIndices:
    pass_index, batch = divmod(step, len(planner.batches))
    plan = planner.rank_batch(_plan(planner, pass_index), batch, rank, world_size)
    return TrainingIndices(plan, store.gather(plan.images))


@lru_cache(maxsize=2)
def _plan(planner: PassPlanner, pass_index: int) -> PassPlan:
    return planner.plan(pass_index)


def _evaluation_batch(store: ImageStore, batches: tuple[Tensor, ...], number: int) -> EvaluationImages:
    rows = batches[number]
    return EvaluationImages(store.gather(rows), store.labels[rows.to(store.labels.device)], rows)


class _Made(Dataset[Batch]):
    def __init__(self, make: Callable[[int], Batch]) -> None:
        self.make = make

    def __getitem__(self, number: int) -> Batch:
        return self.make(number)


def _by_workers(make: Callable[[int], Batch], numbers: range, num_workers: int) -> DataLoader[Batch]:
    """Batches by their numbers, decoded by worker processes."""
    return DataLoader(
        _Made(make),
        batch_size=None,
        sampler=numbers,
        num_workers=num_workers,
        # without one of its own the loader draws a seed from the global generator, and a dropout of the
        # student would depend on where the images live
        generator=torch.Generator(),
        pin_memory=torch.cuda.is_available(),
    )


def _moved(value: Any, device: torch.device) -> Any:  # noqa: ANN401 - whatever a plan holds
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=device.type == "cuda")
    if isinstance(value, tuple):
        moved = [_moved(part, device) for part in value]
        return type(value)(*moved) if hasattr(value, "_fields") else tuple(moved)
    return value
