from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor

from semdd_lightning.data import Augmentation
from semdd_lightning.data.loaders import EvaluationLoader, PassLoader, TrainingIndices
from semdd_lightning.data.passes import PassPlanner
from semdd_lightning.data.storage import ImageStore, square, store_images
from semdd_lightning.pools.listing import LabelledImages

POLICY = Augmentation(crop_scale=(0.5, 1.0))


def _store(images: LabelledImages, storage: Literal["device", "host", "disk"]) -> ImageStore:
    return store_images(images, partial(square, image_size=8), torch.device("cpu"), storage)


def _loader(store: ImageStore, num_workers: int = 0, epoch: int = 1) -> PassLoader:
    schedule = PassPlanner(len(store), 7, 8, POLICY, seed=3)
    return PassLoader(store, schedule, 2, lambda: epoch, rank=1, world_size=2, num_workers=num_workers)


def _flat(batch: TrainingIndices) -> list[Tensor]:
    plan = batch.plan
    return [
        plan.images,
        *plan.draws,
        plan.partners,
        *(value for draw in plan.mixes for value in draw),
        plan.weight,
    ]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_disk_serves_bit_for_bit_what_memory_serves(
    coloured_images: LabelledImages, num_workers: int
) -> None:
    memory = _store(coloured_images, "device")
    expected = list(_loader(memory))
    found = list(_loader(_store(coloured_images, "disk"), num_workers))
    assert len(found) == len(expected) == len(_loader(memory))
    for one, other in zip(found, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(_flat(one), _flat(other), strict=True))
        assert other.pixels is None
        assert one.pixels is not None
        assert torch.equal(one.pixels, memory.gather(other.plan.images))


def test_host_memory_sends_the_pixels_along(coloured_images: LabelledImages) -> None:
    store = _store(coloured_images, "host")
    for batch in _loader(store):
        assert batch.pixels is not None
        assert torch.equal(batch.pixels, store.gather(batch.plan.images))


def test_a_planned_batch_moves_as_lightning_would_move_it(coloured_images: LabelledImages) -> None:
    def described(batch: TrainingIndices) -> list[tuple[torch.device, torch.dtype, torch.Size]]:
        return [(value.device, value.dtype, value.shape) for value in _flat(batch)]

    meta = torch.device("meta")
    storages: tuple[Literal["device", "host"], ...] = ("device", "host")
    for storage in storages:
        batch = next(iter(_loader(_store(coloured_images, storage))))
        moved = batch.to(meta)
        by_value = move_data_to_device(tuple(batch), meta)  # a bare tuple is searched for tensors
        assert described(moved) == described(TrainingIndices(*by_value))
        assert {value.device for value in _flat(moved)} == {meta}
        assert (moved.plan.sizes, moved.plan.drawn_pass) == (batch.plan.sizes, batch.plan.drawn_pass)
        assert (moved.pixels is None) == (storage == "device")
        assert moved.pixels is None or moved.pixels.device == meta


def test_an_epoch_goes_on_where_the_one_before_ended(coloured_images: LabelledImages) -> None:
    for storage in ("device", "disk"):
        store = _store(coloured_images, storage)
        loader = _loader(store, epoch=2)
        expected = list(loader.planner.iterate(range(4, 6), rank=1, world_size=2))
        images = [batch.plan.images.tolist() for batch in loader]
        assert images == [plan.images.tolist() for plan in expected]


@pytest.mark.parametrize("storage", ["device", "host", "disk"])
def test_loading_draws_nothing_from_the_global_generator(
    coloured_images: LabelledImages, storage: Literal["device", "host", "disk"]
) -> None:
    state = torch.get_rng_state()
    list(_loader(_store(coloured_images, storage)))
    list(EvaluationLoader(_store(coloured_images, storage), 4))
    assert torch.equal(torch.get_rng_state(), state)


def _numbered_store(count: int) -> ImageStore:
    """Pixels and labels that are their row."""
    rows = torch.arange(count)
    pixels = rows.to(torch.uint8)[:, None, None, None].expand(count, 3, 2, 2)
    images: LabelledImages = None  # type: ignore[assignment] # never read: the pixels are there
    return ImageStore(rows, pixels, images, partial(square, image_size=2), "device")


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 7))
def test_ranks_evaluate_every_image_once_in_as_many_batches(
    count: int, batch_size: int, world_size: int
) -> None:
    store = _numbered_store(count)
    ranks = [list(EvaluationLoader(store, batch_size, rank, world_size)) for rank in range(world_size)]
    assert len({len(batches) for batches in ranks}) == 1
    everything = [batch for batches in ranks for batch in batches]
    assert sorted(int(row) for batch in everything for row in batch.rows) == list(range(count))
    for batch in everything:
        assert len(batch.rows) <= batch_size
        assert torch.equal(batch.labels, batch.rows)
        assert torch.equal(batch.images[:, 0, 0, 0].long(), batch.rows)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_evaluation_from_disk_is_evaluation_from_memory(
    coloured_images: LabelledImages, num_workers: int
) -> None:
    memory = EvaluationLoader(_store(coloured_images, "device"), 5)
    disk = EvaluationLoader(_store(coloured_images, "disk"), 5, num_workers=num_workers)
    assert len(memory) == len(disk)
    for one, other in zip(memory, disk, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("storage", ["device", "disk"])
def test_a_rank_without_a_share_gets_an_empty_batch(
    coloured_images: LabelledImages, storage: Literal["device", "disk"]
) -> None:
    store = _store(coloured_images.take(np.arange(1)), storage)
    (batch,) = EvaluationLoader(store, 5, rank=1, world_size=2)
    assert batch.images.shape == (0, 3, 8, 8)
    assert len(batch.labels) == len(batch.rows) == 0
