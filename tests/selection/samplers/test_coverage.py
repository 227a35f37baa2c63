from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semdd_lightning.selection import Coverage, Embeddings, kernel_coverage
from semdd_lightning.selection.scores.of_prototypes import log_posterior

MakePool = Callable[..., Embeddings]
Array = NDArray[np.float64]
Reference = Any  # the class of that name in conftest.py, which tests cannot import
SEEDS = st.integers(0, 10**6)


def greedy(
    reference: Reference, z: Array, candidates: list[int], weights: list[float], ipc: int, tau: float
) -> tuple[list[int], list[float]]:
    best, picked, values = [0.0] * len(z), list[int](), []
    for _ in range(ipc):
        gains = {}
        for j in [j for j in candidates if j not in picked]:
            similar = [reference.kernel(v, z[j], tau) for v in z]
            terms = zip(similar, weights, best, strict=True)
            gains[j] = sum(w * max(k - b, 0) for k, w, b in terms) / len(z)
        picked.append(reference.best(gains))
        values.append(gains[picked[-1]])
        best = [max(b, reference.kernel(v, z[picked[-1]], tau)) for v, b in zip(z, best, strict=True)]
    return picked, values


@settings(deadline=None, max_examples=12)
@given(seed=SEEDS, ipc=st.integers(1, 6), duplicates=st.booleans(), kept=st.booleans())
def test_agrees_with_the_literal_transcription(
    reference: Reference, make_pool: MakePool, seed: int, ipc: int, duplicates: bool, kept: bool
) -> None:
    pool = make_pool(seed, counts=(12, 9), duplicates=duplicates)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semdd_lightning.selection.samplers.covering._KEPT", 10**6 * kept)
        selection = Coverage(candidate_ratio=1.5).select(pool, ipc)
    for c, (rows, candidates) in enumerate(reference.candidates(pool, ipc, "1.5")):
        z = pool.image_embeddings[rows]
        weights = log_posterior(z, pool.text_prototypes, c, pool.logit_scale).exp().tolist()
        tau = max(reference.bandwidth(z.numpy(), ipc), 1e-6)
        within = [rows.index(i) for i in candidates]
        picked, values = greedy(reference, z.numpy(), within, weights, ipc, tau)
        assert selection.class_indices(c).tolist() == [rows[i] for i in picked]
        found = selection.scores["pick_value"].to_numpy()[selection.class_indices(c)]
        np.testing.assert_allclose(found, values, atol=1e-9)
        assert set(np.flatnonzero(selection.scores["candidate"])) & set(rows) == set(candidates)
    assert selection.scores["posterior"].between(0, 1).all()


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_gains_never_grow_and_weights_without_images_change_nothing(make_pool: MakePool, seed: int) -> None:
    z = make_pool(seed, counts=(60,), dim=5).image_embeddings
    weights = torch.ones(60, dtype=torch.float64)
    weights[:20] = 0
    order, values = kernel_coverage(z, torch.arange(20, 60), weights, 30, 0.2)
    assert (values >= 0).all()
    assert (values.diff() <= 1e-12).all()
    alone, _ = kernel_coverage(z[20:], torch.arange(40), weights[20:], 30, 0.2)
    assert alone.tolist() == order.tolist()
