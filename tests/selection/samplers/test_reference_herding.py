from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.selection import Embeddings, ReferenceHerding, reference_herding
from semdd_lightning.selection.samplers.kernel import kernel

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import
SEEDS = st.integers(0, 10**6)


@settings(deadline=None, max_examples=12)
@given(seed=SEEDS, ipc=st.integers(1, 6), duplicates=st.booleans())
def test_agrees_with_the_literal_transcription(
    reference: Reference, make_pool: MakePool, seed: int, ipc: int, duplicates: bool
) -> None:
    pool = make_pool(seed, counts=(12, 9), duplicates=duplicates)
    assert pool.reference is not None
    selection = ReferenceHerding(candidate_ratio=1.5).select(pool, ipc)
    z = pool.image_embeddings.numpy()
    for c, (rows, candidates) in enumerate(reference.candidates(pool, ipc, "1.5")):
        tau = max(reference.bandwidth(z[rows], ipc), 1e-6)
        real = pool.reference.image_embeddings[pool.reference.labels == c].numpy()
        picked: list[int] = []
        values = []
        for size in range(ipc):
            value = {}
            for j in candidates:
                if j not in picked:
                    value[j] = sum(reference.kernel(z[j], r, tau) for r in real) / len(real)
                    value[j] -= sum(reference.kernel(z[j], z[s], tau) for s in picked) / (size + 1)
            picked.append(reference.best(value))
            values.append(value[picked[-1]])
        assert selection.class_indices(c).tolist() == picked
        np.testing.assert_allclose(selection.scores["pick_value"][picked], values, atol=1e-9)


def squared_mmd(z: torch.Tensor, real: torch.Tensor, tau: float) -> float:
    within, across, of_real = kernel(z, z, tau), kernel(z, real, tau), kernel(real, real, tau)
    return float(within.mean() - 2 * across.mean() + of_real.mean())


@settings(deadline=None, max_examples=12)
@given(seed=SEEDS, size=st.integers(1, 8))
def test_each_pick_leaves_the_least_squared_mmd(make_pool: MakePool, seed: int, size: int) -> None:
    z = make_pool(seed, counts=(20, 7), dim=5).image_embeddings
    z, real, tau = z[:20], z[20:], 0.3
    order, values = reference_herding(z, real, size, tau)
    before, last = order[:-1].tolist(), int(order[-1])
    left = [j for j in range(20) if j not in before]
    after = {j: squared_mmd(z[[*before, j]], real, tau) for j in left}
    assert after[last] == pytest.approx(min(after.values()), abs=1e-9)
    # the value is the decrease but for what no choice of j changes
    of_picks = float(kernel(z[before], z[before], tau).sum())
    to_real = float(kernel(z[before], real, tau).mean(dim=1).sum())
    rest = of_picks / size**2 + 1 / size**2 - 2 * to_real / size + float(kernel(real, real, tau).mean())
    assert after[last] == pytest.approx(rest - 2 / size * float(values[-1]), abs=1e-9)
