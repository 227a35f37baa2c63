"""The order of training: passes over the chosen images, cut into global batches, shared among ranks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.data.augmentation import Augmentation, ImageDraws, MixDraw, draw_images, draw_mix


class PlannedBatch(NamedTuple):
    """One rank's part of a global batch, as indices and random draws; no pixels yet.

    Attributes:
        images: chosen images this rank needs, its own rows first and then partners it lacks, (k,).
        draws: augmentation of these k images.
        partners: position in ``images`` of each row's mixing partner, (n,), n <= k.
        mixes: the mixing of each mixing group that these rows belong to, in the order of the rows.
        sizes: how many consecutive rows each of ``mixes`` is for; they sum to n.
        weight: factor that makes the mean over ranks of the mean loss the mean over the global batch; 0-dim.
        drawn_pass: the pass that all these draws belong to.
    """

    images: Tensor
    draws: ImageDraws
    partners: Tensor
    mixes: tuple[MixDraw, ...]
    sizes: tuple[int, ...]
    weight: Tensor
    drawn_pass: int


class PassPlan(NamedTuple):
    """All draws of one pass over M images, equal on every rank and whatever the batch size.

    Attributes:
        drawn_pass: number of the pass that was drawn.
        order: chosen images in the order they are visited, (M,).
        draws: augmentation of each chosen image.
        partners: place in ``order`` of the mixing partner of the image at each place, (M,).
        mixes: the mixing of each mixing group.
    """

    drawn_pass: int
    order: Tensor
    draws: ImageDraws
    partners: Tensor
    mixes: tuple[MixDraw, ...]


@dataclass(frozen=True)
class PassPlanner:
    """Which images are visited when, and how they are augmented, as a function of (seed, pass) alone.

    An image's draws depend on (seed, pass, image) and never on its place in a batch. Partners are drawn
    uniformly, and one mixing is drawn, for each *mixing group*: a run of images in the order of the pass. As
    long as a group is a global batch, that is RDED's CutMix. A group that is kept when the batch size
    changes makes the same pixels in other batches.

    Args:
        num_images: chosen images M.
        batch_size: global batch size; one larger than M is clamped to M.
        image_size: pixels per side.
        policy: the augmentation.
        seed: augmentation seed.
        mixing_group: images that share partners and one mixing (default: the batch size).
        distinct_passes: passes that are drawn; later ones repeat them in rotation. None draws each anew.
    """

    num_images: int
    batch_size: int
    image_size: int
    policy: Augmentation
    seed: int = 0
    mixing_group: int | None = None
    distinct_passes: int | None = None

    @cached_property
    def batches(self) -> tuple[tuple[int, int], ...]:
        """Start and stop of each global batch of a pass in the pass's order.

        A last batch of a single image joins the batch before: batch statistics of one image are undefined.
        """
        return _runs(self.num_images, self.batch_size)

    @property
    def group_size(self) -> int:
        """Images of a mixing group, at most."""
        return self.batch_size if self.mixing_group is None else self.mixing_group

    @cached_property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """Start and stop of each mixing group of a pass; one group where nothing is mixed."""
        mixed = self.policy.mix != "none"
        return _runs(self.num_images, self.group_size) if mixed else ((0, self.num_images),)

    def plan(self, pass_index: int) -> PassPlan:
        """Draw a whole pass at once."""
        index = pass_index if self.distinct_passes is None else pass_index % self.distinct_passes
        generator = np.random.default_rng([self.seed, index])
        draws = draw_images(self.policy, self.num_images, self.image_size, generator)
        order = torch.from_numpy(generator.permutation(self.num_images))
        partners, mixes = [], []
        for start, stop in self.groups:
            size = stop - start
            mixed = self.policy.mix != "none"  # else nobody needs a partner's pixels
            partners.append(start + (generator.permutation(size) if mixed else np.arange(size)))
            mixes.append(draw_mix(self.policy, self.image_size, generator))
        return PassPlan(index, order, draws, torch.from_numpy(np.concatenate(partners)), tuple(mixes))

    def rank_batch(self, plan: PassPlan, batch: int, rank: int = 0, world_size: int = 1) -> PlannedBatch:
        """The part of a planned batch that one rank computes.

        A rank without a row in a batch smaller than the number of ranks gets one of weight zero, so that
        all ranks make the same steps.
        """
        start, stop = self.batches[batch]
        rows = torch.tensor_split(torch.arange(start, stop), world_size)[rank]
        weight = len(rows) * world_size / (stop - start)
        first, last = (int(rows[0]), int(rows[-1])) if len(rows) else (start, start)
        partners = plan.partners[first : last + 1]
        lacking = (partners < first) | (partners > last)
        places = partners - first
        places[lacking] = torch.arange(int(lacking.sum())) + (last + 1 - first)
        images = torch.cat([plan.order[first : last + 1], plan.order[partners[lacking]]])
        groups, sizes = self._groups_of(first, last + 1)
        draws, factor = plan.draws.rows(images), torch.tensor(weight, dtype=torch.float32)
        return PlannedBatch(images, draws, places, plan.mixes[groups], sizes, factor, plan.drawn_pass)

    def iterate(
        self, passes: range, rank: int = 0, world_size: int = 1, done: int = 0
    ) -> Iterator[PlannedBatch]:
        """One rank's batches of several passes, in order, but for the first ``done`` of them."""
        steps = len(self.batches)
        for pass_index in passes[done // steps :]:
            plan = self.plan(pass_index)
            for batch in range(done % steps, steps):
                yield self.rank_batch(plan, batch, rank, world_size)
            done = 0

    def _groups_of(self, start: int, stop: int) -> tuple[slice, tuple[int, ...]]:
        """The groups that the places from start to stop lie in, and how many of these places each holds."""
        starts = [first for first, _ in self.groups]
        found = slice(bisect_right(starts, start) - 1, bisect_left(starts, stop))
        return found, tuple(min(stop, last) - max(start, first) for first, last in self.groups[found])


def _runs(num_images: int, size: int) -> tuple[tuple[int, int], ...]:
    """Start and stop of runs of ``size`` images; a last one of a single image joins the one before.

    Examples:
        >>> _runs(7, 3)
        ((0, 3), (3, 7))
    """
    starts = list(range(0, num_images, min(size, num_images)))
    if len(starts) > 1 and num_images - starts[-1] == 1:
        starts.pop()
    return tuple(zip(starts, [*starts[1:], num_images], strict=True))
