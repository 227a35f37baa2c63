from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import Dpp, Embeddings, dpp

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import
SEEDS = st.integers(0, 10**6)


@settings(deadline=None, max_examples=12)
@given(seed=SEEDS, ipc=st.integers(1, 6), weight=st.sampled_from([0.0, 1.0, 5.0]))
def test_each_pick_adds_most_to_the_log_determinant(
    reference: Reference, make_pool: MakePool, seed: int, ipc: int, weight: float
) -> None:
    pool = make_pool(seed, counts=(12, 9))
    selection = Dpp(candidate_ratio=1.5, quality_weight=weight).select(pool, ipc)
    z, q = pool.image_embeddings.numpy(), selection.scores["quality"]
    for c, (rows, candidates) in enumerate(reference.candidates(pool, ipc, "1.5")):
        tau = reference.bandwidth(z[rows], ipc)

        def log_det(chosen: list[int], tau: float = tau) -> float:
            scale = [np.exp(weight * q[i] / 2) for i in chosen]
            ell = [[reference.kernel(z[i], z[j], tau) for j in chosen] for i in chosen]
            return float(np.linalg.slogdet(np.outer(scale, scale) * np.array(ell))[1]) if chosen else 0.0

        picked: list[int] = []
        values = []
        while len(picked) < ipc:
            left = [j for j in candidates if j not in picked]
            added = {j: log_det([*picked, j]) - log_det(picked) for j in left}
            picked.append(reference.best(added))
            values.append(added[picked[-1]])
        assert selection.class_indices(c).tolist() == picked
        np.testing.assert_allclose(selection.scores["pick_value"][picked], values, atol=1e-7)


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS, weight=st.floats(0, 10))
def test_additions_never_grow(make_pool: MakePool, seed: int, weight: float) -> None:
    z = make_pool(seed, counts=(40,), dim=5).image_embeddings
    quality = torch.from_numpy(np.random.default_rng(seed).random(40))
    assert (dpp(z, quality, 20, 0.2, weight)[1].diff() <= 1e-7).all()


def test_a_copy_comes_last_and_the_best_of_copies_first() -> None:
    z = torch.eye(3, dtype=torch.float64)[[0, 0, 0, 1, 2]]
    quality = torch.tensor([0.5, 0.6, 0.7, 0.0, 0.0], dtype=torch.float64)
    order, values = dpp(z, quality, 5, 0.5)
    assert order.tolist() == [2, 3, 4, 1, 0]
    assert values[3:].tolist() == pytest.approx([0.6 + np.log(1e-6), 0.5 + np.log(1e-6)])


def test_a_heavy_quality_decides_alone(make_pool: MakePool) -> None:
    z = make_pool(2, counts=(30,)).image_embeddings
    quality = torch.from_numpy(np.random.default_rng(2).permutation(30) / 30)
    assert dpp(z, quality, 10, 0.2, 1e4)[0].tolist() == quality.argsort(descending=True)[:10].tolist()


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weight_is_finite_and_positive(weight: float) -> None:
    with pytest.raises(SelectionError, match="quality_weight to be finite and at least 0, found"):
        Dpp(quality_weight=weight)
