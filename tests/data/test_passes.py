from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semdd_lightning.data import Augmentation
from semdd_lightning.data.augmentation import MixDraw, augment, mix
from semdd_lightning.data.passes import PassPlanner, PlannedBatch

SIZE = 6
POLICY = Augmentation(crop_scale=(0.4, 1.0), shuffle_patches=2)
shapes = st.tuples(st.integers(1, 23), st.integers(1, 30))


def _schedule(num_images: int, batch_size: int, seed: int = 0, policy: Augmentation = POLICY) -> PassPlanner:
    return PassPlanner(num_images, batch_size, SIZE, policy, seed)


def _own_rows(batch: PlannedBatch) -> Tensor:
    return batch.images[: len(batch.partners)]


def _pixels(batch: PlannedBatch, policy: Augmentation = POLICY) -> Tensor:
    """What the rank would see of pool images that are numbered noise."""
    pool = torch.rand(30, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    images = augment(pool[batch.images], batch.draws, policy)
    rows = zip(images[: len(batch.partners)], images[batch.partners], _mixes(batch), strict=True)
    return torch.cat([mix(own[None], partner[None], draw, policy) for own, partner, draw in rows])


def _mixes(batch: PlannedBatch) -> list[MixDraw]:
    """The mixing of each row."""
    return [draw for draw, size in zip(batch.mixes, batch.sizes, strict=True) for _ in range(size)]


def _pixels_by_image(schedule: PassPlanner, pass_index: int, world_size: int = 1) -> dict[int, Tensor]:
    """What each image looks like in a pass, whichever rank and batch it is in."""
    return {
        int(image): pixels
        for rank in range(world_size)
        for batch in schedule.iterate(range(pass_index, pass_index + 1), rank, world_size)
        for image, pixels in zip(_own_rows(batch), _pixels(batch, schedule.policy), strict=True)
    }


@given(shapes, st.integers(0, 5))
def test_a_pass_visits_every_image_once(shape: tuple[int, int], pass_index: int) -> None:
    schedule = _schedule(*shape)
    batches = schedule.iterate(range(pass_index, pass_index + 1))
    visited = [row for batch in batches for row in _own_rows(batch)]
    assert sorted(map(int, visited)) == list(range(shape[0]))


@given(shapes)
def test_batches_are_as_large_as_asked_but_for_the_last(shape: tuple[int, int]) -> None:
    num_images, batch_size = shape
    sizes = [stop - start for start, stop in _schedule(*shape).batches]
    size = min(batch_size, num_images)
    assert sum(sizes) == num_images
    assert all(found == size for found in sizes[:-1])
    if size > 1:
        assert 1 < sizes[-1] <= size + 1
        assert (sizes[-1] == size + 1) == (num_images % size == 1 and num_images > size)


def test_a_single_image_too_many_joins_the_batch_before() -> None:
    assert _schedule(7, 3).batches == ((0, 3), (3, 7))
    assert _schedule(8, 3).batches == ((0, 3), (3, 6), (6, 8))
    assert _schedule(1, 3).batches == ((0, 1),)
    assert _schedule(5, 99).batches == ((0, 5),)


@settings(deadline=None, max_examples=40)
@given(shapes, st.integers(1, 30), st.integers(0, 3), st.integers(0, 3))
def test_an_images_draws_do_not_depend_on_the_batch_size(
    shape: tuple[int, int], other_size: int, seed: int, pass_index: int
) -> None:
    def draws_by_image(batch_size: int) -> dict[int, list[list[float]]]:
        plan = _schedule(shape[0], batch_size, seed).iterate(range(pass_index, pass_index + 1))
        return {
            int(image): [values[i].tolist() for values in batch.draws]
            for batch in plan
            for i, image in enumerate(batch.images)
        }

    assert draws_by_image(shape[1]) == draws_by_image(other_size)


def test_order_depends_on_seed_and_pass_alone() -> None:
    def first_orders(seed: int, batch_size: int = 4) -> list[list[int]]:
        schedule = _schedule(20, batch_size, seed)
        return [schedule.plan(index).order.tolist() for index in range(3)]

    assert first_orders(0) == first_orders(0, batch_size=7)
    orders = [tuple(order) for seed in (0, 1) for order in first_orders(seed)]
    assert len(set(orders)) == 6


def test_passes_and_seeds_draw_anew() -> None:
    plans = [_schedule(20, 5, seed).plan(index) for seed in (0, 1) for index in (0, 1)]
    for i, one in enumerate(plans):
        for other in plans[:i]:
            assert not torch.equal(one.draws.crops, other.draws.crops)
            assert not torch.equal(one.draws.flips, other.draws.flips)
            assert [m.box.tolist() for m in one.mixes] != [m.box.tolist() for m in other.mixes]


@settings(deadline=None, max_examples=60)
@given(shapes, st.integers(1, 6), st.sampled_from(["cutmix", "mixup", "none"]))
def test_ranks_together_make_the_single_processes_batch(
    shape: tuple[int, int], world_size: int, mixing: str
) -> None:
    policy = Augmentation(crop_scale=(0.4, 1.0), mix=mixing)  # type: ignore[arg-type]
    schedule = _schedule(*shape, policy=policy)
    single = list(schedule.iterate(range(1, 2)))
    by_rank = [list(schedule.iterate(range(1, 2), rank, world_size)) for rank in range(world_size)]
    assert all(len(batches) == len(single) for batches in by_rank)
    for i, whole in enumerate(single):
        parts = [batches[i] for batches in by_rank]
        (expected,) = whole.mixes
        assert all(torch.equal(draw.ratio, expected.ratio) for part in parts for draw in part.mixes)
        working = [part for part in parts if part.weight > 0]
        assert torch.equal(torch.cat([_own_rows(part) for part in working]), _own_rows(whole))
        partners = torch.cat([part.images[part.partners] for part in working])
        assert torch.equal(partners, whole.images[whole.partners])
        pixels = torch.cat([_pixels(part, policy) for part in working])
        torch.testing.assert_close(pixels, _pixels(whole, policy))


@given(shapes, st.integers(1, 6))
def test_weights_make_the_mean_over_ranks_the_global_mean(shape: tuple[int, int], world_size: int) -> None:
    schedule = _schedule(*shape)
    loss = torch.rand(shape[0], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    plan = schedule.plan(0)
    for batch, (start, stop) in enumerate(schedule.batches):
        parts = [schedule.rank_batch(plan, batch, rank, world_size) for rank in range(world_size)]
        mean = sum(float(loss[_own_rows(part)].mean() * part.weight) for part in parts) / world_size
        assert mean == pytest.approx(float(loss[plan.order[start:stop]].mean()), rel=1e-6)


def test_a_rank_without_a_row_steps_along_with_weight_zero() -> None:
    schedule = _schedule(2, 2)
    weights = [schedule.rank_batch(schedule.plan(0), 0, rank, 4).weight.item() for rank in range(4)]
    assert weights == [2, 2, 0, 0]
    idle = schedule.rank_batch(schedule.plan(0), 0, 3, 4)
    assert len(_own_rows(idle)) == 1


@given(shapes, st.integers(1, 4))
def test_a_rank_decodes_nothing_twice_and_nothing_it_does_not_need(
    shape: tuple[int, int], world_size: int
) -> None:
    schedule = _schedule(*shape)
    for rank in range(world_size):
        for batch in schedule.iterate(range(1), rank, world_size):
            assert len(set(batch.images.tolist())) == len(batch.images)
            needed = set(range(len(batch.partners))) | set(batch.partners.tolist())
            assert needed == set(range(len(batch.images)))


def test_partners_are_a_permutation_of_the_global_batch() -> None:
    schedule = _schedule(29, 12)
    plan = schedule.plan(0)
    assert len(plan.mixes) == len(schedule.batches) == 3
    for start, stop in schedule.batches:
        partners = plan.partners[start:stop].tolist()
        assert sorted(partners) == list(range(start, stop))
        assert partners != list(range(start, stop))


def test_every_image_of_the_global_batch_is_a_partner_as_often() -> None:
    """Uniform over the batch, oneself included, as a permutation of the batch draws it."""
    schedule = _schedule(5, 5)
    plans = [schedule.plan(index) for index in range(2000)]
    found = torch.stack([plan.partners for plan in plans])
    for partner in range(5):
        shares = (found == partner).double().mean(dim=0)
        assert (shares - 0.2).abs().max() < 5 * (0.2 * 0.8 / 2000) ** 0.5


@settings(deadline=None, max_examples=60)
@given(
    shapes, st.integers(2, 30), st.integers(1, 30), st.integers(1, 3), st.sampled_from(["cutmix", "mixup"])
)
def test_a_kept_mixing_group_makes_the_same_pixels_in_other_batches_and_on_other_ranks(
    shape: tuple[int, int], group: int, other_size: int, world_size: int, mixing: str
) -> None:
    policy = Augmentation(crop_scale=(0.4, 1.0), mix=mixing)  # type: ignore[arg-type]
    num_images, batch_size = shape
    one = PassPlanner(num_images, batch_size, SIZE, policy, mixing_group=group)
    other = PassPlanner(num_images, other_size, SIZE, policy, mixing_group=group)
    expected, found = _pixels_by_image(one, 1), _pixels_by_image(other, 1, world_size)
    assert expected.keys() == found.keys() == set(range(num_images))
    for image, pixels in expected.items():
        torch.testing.assert_close(found[image], pixels, atol=1e-6, rtol=0)


def test_without_a_kept_group_the_pixels_follow_the_batch_size() -> None:
    one, other = (_pixels_by_image(_schedule(20, size), 0) for size in (5, 10))
    assert any(not torch.equal(pixels, other[image]) for image, pixels in one.items())
    same = _pixels_by_image(PassPlanner(20, 10, SIZE, POLICY, mixing_group=5), 0)
    assert all(torch.equal(pixels, same[image]) for image, pixels in one.items())


def test_a_batch_of_several_groups_says_which_rows_share_a_mixing() -> None:
    planner = PassPlanner(12, 8, SIZE, POLICY, mixing_group=3)
    plan = planner.plan(0)
    first, second = (planner.rank_batch(plan, batch) for batch in range(2))
    assert first.sizes == (3, 3, 2)
    assert second.sizes == (1, 3)
    assert first.mixes == plan.mixes[:3]
    assert second.mixes == plan.mixes[2:]


def test_passes_repeat_in_rotation() -> None:
    anew, twice = _schedule(20, 5), PassPlanner(20, 5, SIZE, POLICY, distinct_passes=2)
    for index, drawn in enumerate([0, 1, 0, 1, 0]):
        expected, found = anew.plan(drawn), twice.plan(index)
        assert found.drawn_pass == drawn
        assert torch.equal(found.order, expected.order)
        assert torch.equal(found.partners, expected.partners)
        assert {batch.drawn_pass for batch in twice.iterate(range(index, index + 1))} == {drawn}
    assert [anew.plan(index).drawn_pass for index in range(3)] == [0, 1, 2]


def test_nobody_fetches_partners_where_nothing_is_mixed() -> None:
    planner = PassPlanner(10, 10, 8, Augmentation(mix="none"))
    parts = [planner.rank_batch(planner.plan(0), 0, rank, 2) for rank in range(2)]
    assert [len(part.images) for part in parts] == [5, 5]
