from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.selection.k_means import k_means


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 20), copies=st.booleans(), data=st.data())
def test_matches_slow_loops(seed: int, size: int, copies: bool, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (size, 2)).astype(float) if copies else rng.normal(size=(size, 4))
    k = data.draw(st.integers(1, size))
    centres, clusters = [x[i] for i in range(k)], [-1] * size
    for _ in range(100):
        distance = [[round(float((v @ v - 2 * v @ c + c @ c) / 2), 9) for c in centres] for v in x]
        found = [row.index(min(row)) for row in distance]
        if found == clusters:
            break
        clusters = found
        for c in range(k):
            members = [x[i] for i in range(size) if clusters[i] == c]
            centres[c] = sum(members, start=np.zeros_like(x[0])) / len(members) if members else centres[c]
    z = torch.from_numpy(x)
    assert k_means(z, z[:k]).tolist() == clusters


def test_separate_groups_are_found() -> None:
    groups = torch.arange(4).repeat_interleave(25)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.eye(4, dtype=torch.float64)[groups]
    vectors += 0.1 * torch.randn(100, 4, generator=generator, dtype=torch.float64)
    start = torch.tensor([0, 30, 60, 90])
    assert torch.equal(k_means(vectors, vectors[start]), groups)
    assert torch.equal(k_means(vectors, vectors[start], most_steps=1), groups)
