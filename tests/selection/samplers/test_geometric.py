from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import Embeddings, FacilityLocation, facility_location, herding, k_center

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import
SEEDS = st.integers(0, 10**6)


def one_class(make_pool: MakePool, seed: int, size: int, duplicates: bool) -> torch.Tensor:
    return make_pool(seed, counts=(size,), dim=5, duplicates=duplicates).image_embeddings


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, size=st.integers(1, 14), duplicates=st.booleans(), data=st.data())
@pytest.mark.parametrize("name", ["k_center", "herding"])
def test_matches_brute_force(
    reference: Reference,
    make_pool: MakePool,
    name: str,
    seed: int,
    size: int,
    duplicates: bool,
    data: st.DataObject,
) -> None:
    z = one_class(make_pool, seed, size, duplicates)
    ipc = data.draw(st.integers(1, size))
    function = {"k_center": k_center, "herding": herding}[name]
    assert function(z, ipc).order.tolist() == getattr(reference, name)(z.numpy(), ipc)


@settings(deadline=None, max_examples=30)
@given(
    seed=SEEDS, size=st.integers(1, 14), duplicates=st.booleans(), block=st.integers(1, 20), data=st.data()
)
def test_facility_location_matches_brute_force(
    reference: Reference,
    make_pool: MakePool,
    seed: int,
    size: int,
    duplicates: bool,
    block: int,
    data: st.DataObject,
) -> None:
    z = one_class(make_pool, seed, size, duplicates)
    ipc = data.draw(st.integers(1, size))
    picks = facility_location(z, ipc, block)
    assert picks.order.tolist() == reference.facility_location(z.numpy(), ipc)
    value = reference.facility_value(z.numpy(), picks.order.tolist())
    assert float(picks.values.sum()) == pytest.approx(value, abs=1e-9)


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_gains_of_facility_location_never_grow(make_pool: MakePool, seed: int) -> None:
    values = facility_location(one_class(make_pool, seed, 60, duplicates=False), 30).values
    assert (values >= 0).all()
    assert (values.diff() <= 1e-12).all()


def test_incremental_gains_equal_plain_greedy_on_a_larger_class(make_pool: MakePool) -> None:
    z = make_pool(3, counts=(400,), dim=16).image_embeddings
    similarity = (1 + z @ z.T) / 2
    nearest = torch.zeros(400, dtype=torch.float64)
    expected: list[int] = []
    for _ in range(40):
        gains = (similarity - nearest[:, None]).clamp_min(0).mean(dim=0)
        gains[expected] = -1
        expected.append(int(gains.argmax()))
        nearest = torch.maximum(nearest, similarity[:, expected[-1]])
    assert facility_location(z, 40, block=16).order.tolist() == expected


def test_distances_of_k_center_never_grow(make_pool: MakePool) -> None:
    values = k_center(one_class(make_pool, 5, 50, duplicates=False), 25).values[1:]
    assert (values.diff() <= 1e-12).all()


def test_herding_follows_the_mean_better_than_chance(make_pool: MakePool) -> None:
    z = one_class(make_pool, 6, 200, duplicates=False)
    picks = herding(z, 20)
    gap = torch.linalg.vector_norm(z[picks.order].mean(0) - z.mean(0))
    assert float(gap) ** 2 == pytest.approx(float(picks.values[-1]), abs=1e-12)
    rng = np.random.default_rng(0)
    by_chance = [z[rng.choice(200, 20, replace=False)].mean(0) - z.mean(0) for _ in range(50)]
    assert float(gap) < min(float(torch.linalg.vector_norm(difference)) for difference in by_chance)


def test_block_is_positive() -> None:
    with pytest.raises(SelectionError, match="block to be at least 1, found 0"):
        FacilityLocation(block=0)
