"""The order of training: passes over the chosen images, cut into global batches, shared among ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.data.augmentation import (
    Augmentation,
    ImageDraws,
    MixDraw,
    draw_images,
    draw_mix,
)


class PlannedBatch(NamedTuple):
    """One rank's part of a global batch, as indices and random draws; no pixels yet.

    Attributes:
        images: chosen images this rank needs, its own rows first and then partners it lacks, (k,).
        draws: augmentation of these k images.
        partners: position in ``images`` of each row's mixing partner, (n,), n <= k.
        mix: the mixing of the whole global batch.
        weight: factor that makes the mean over ranks of the mean loss the mean over the global batch; 0-dim.
    """

    images: Tensor
    draws: ImageDraws
    partners: Tensor
    mix: MixDraw
    weight: Tensor


class PassPlan(NamedTuple):
    """All draws of one pass over M images, equal on every rank."""

    order: Tensor
    draws: ImageDraws
    partners: tuple[Tensor, ...]
    mixes: tuple[MixDraw, ...]


@dataclass(frozen=True)
class PassPlanner:
    """Which images are visited when, and how they are augmented, as a function of (seed, pass) alone.

    An image's draws depend on (seed, pass, image) and never on its place in a batch.

    Args:
        num_images: chosen images M.
        batch_size: global batch size; one larger than M is clamped to M.
        image_size: pixels a side.
        policy: the augmentation.
        seed: augmentation seed.
    """

    num_images: int
    batch_size: int
    image_size: int
    policy: Augmentation
    seed: int = 0

    @cached_property
    def batches(self) -> tuple[tuple[int, int], ...]:
        """Start and stop of each global batch of a pass in the pass's order.

        A last batch of a single image joins the batch before: batch statistics of one image are undefined.
        """
        starts = list(range(0, self.num_images, min(self.batch_size, self.num_images)))
        if len(starts) > 1 and self.num_images - starts[-1] == 1:
            starts.pop()
        return tuple(zip(starts, [*starts[1:], self.num_images], strict=True))

    def plan(self, pass_index: int) -> PassPlan:
        """Draw a whole pass at once."""
        generator = np.random.default_rng([self.seed, pass_index])
        draws = draw_images(self.policy, self.num_images, self.image_size, generator)
        order = torch.from_numpy(generator.permutation(self.num_images))
        partners, mixes = [], []
        for start, stop in self.batches:
            size = stop - start
            mixed = self.policy.mix != "none"  # else nobody needs a partner's pixels
            partners.append(torch.from_numpy(generator.permutation(size) if mixed else np.arange(size)))
            mixes.append(draw_mix(self.policy, self.image_size, generator))
        return PassPlan(order, draws, tuple(partners), tuple(mixes))

    def rank_batch(self, plan: PassPlan, batch: int, rank: int = 0, world_size: int = 1) -> PlannedBatch:
        """The part of a planned batch that one rank computes.

        A rank without a row in a batch smaller than the number of ranks gets one of weight zero, so that
        all ranks make the same steps.
        """
        start, stop = self.batches[batch]
        images, partners = plan.order[start:stop], plan.partners[batch]
        rows = torch.tensor_split(torch.arange(stop - start), world_size)[rank]
        weight = len(rows) * world_size / (stop - start)
        if len(rows) == 0:
            rows = torch.zeros(1, dtype=torch.int64)
        needed = torch.cat([rows, partners[rows][~torch.isin(partners[rows], rows)]])
        place = torch.empty(stop - start, dtype=torch.int64)
        place[needed] = torch.arange(len(needed))
        return PlannedBatch(
            images=images[needed],
            draws=plan.draws.rows(images[needed]),
            partners=place[partners[rows]],
            mix=plan.mixes[batch],
            weight=torch.tensor(weight, dtype=torch.float32),
        )

    def iterate(self, passes: range, rank: int = 0, world_size: int = 1) -> Iterator[PlannedBatch]:
        """One rank's batches of several passes, in order."""
        for pass_index in passes:
            plan = self.plan(pass_index)
            for batch in range(len(self.batches)):
                yield self.rank_batch(plan, batch, rank, world_size)
