from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import (
    Embeddings,
    FilteredRandom,
    MostTypical,
    TypicalClusters,
    facility_location,
)
from semdd_lightning.selection.samplers.random import random_positions
from semdd_lightning.selection.samplers.typical_clusters import best_of_clusters, k_means

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import
SEEDS = st.integers(0, 10**6)


@settings(deadline=None, max_examples=12)
@given(seed=SEEDS, ipc=st.integers(1, 9), duplicates=st.booleans(), share=st.sampled_from(["0.5", "0.2"]))
def test_typicality_takes_the_most_typical_of_the_better_half(
    reference: Reference, make_pool: MakePool, seed: int, ipc: int, duplicates: bool, share: str
) -> None:
    pool = make_pool(seed, counts=(12, 9), duplicates=duplicates)
    selection = MostTypical(better_share=float(share)).select(pool, ipc)
    for c, rows in enumerate(r.tolist() for r in pool.class_rows()):
        kept = {("0.5", 12): 6, ("0.5", 9): 5, ("0.2", 12): 3, ("0.2", 9): 2}[share, len(rows)]
        better = reference.by_quality(rows, selection.scores["quality"])[: max(kept, ipc)]
        z = pool.image_embeddings[rows].numpy()
        typicality = {i: reference.typicality(z, rows.index(i)) for i in better}
        expected = sorted(better, key=lambda i: (-round(typicality[i], 9), i))[:ipc]
        assert selection.class_indices(c).tolist() == expected
        assert set(np.flatnonzero(selection.scores["candidate"])) & set(rows) == set(better)


@settings(deadline=None, max_examples=12)
@given(seed=SEEDS, ipc=st.integers(1, 6), duplicates=st.booleans())
def test_typical_clusters_takes_one_of_each_cluster_that_has_a_candidate(
    reference: Reference, make_pool: MakePool, seed: int, ipc: int, duplicates: bool
) -> None:
    pool = make_pool(seed, counts=(12, 9), duplicates=duplicates)
    selection = TypicalClusters(candidate_ratio=1.5).select(pool, ipc)
    for c, (rows, candidates) in enumerate(reference.candidates(pool, ipc, "1.5")):
        z = pool.image_embeddings[rows]
        cluster = dict(zip(rows, k_means(z, z[facility_location(z, ipc).order]).tolist(), strict=True))
        sizes = [list(cluster.values()).count(k) for k in range(ipc)]
        quality = selection.scores["quality"]
        value = {i: reference.typicality(z.numpy(), rows.index(i)) * quality[i] for i in candidates}
        expected: list[int] = []
        for k in sorted(range(ipc), key=lambda k: (-sizes[k], k)):
            members = {i: value[i] for i in candidates if cluster[i] == k}
            expected += [reference.best(members)] if members else []
        while len(expected) < ipc:
            expected.append(reference.best({i: v for i, v in value.items() if i not in expected}))
        found = selection.class_indices(c).tolist()
        assert found == expected
        assert {cluster[i] for i in found} == {cluster[i] for i in candidates}
        np.testing.assert_allclose(selection.scores["pick_value"][found], [value[i] for i in found])


def test_separate_groups_give_one_image_each(make_pool: MakePool) -> None:
    pool = make_pool(3, counts=(20, 20), dim=16)
    groups = torch.arange(40) % 5
    z = torch.eye(16, dtype=torch.float64)[groups] + 0.05 * pool.image_embeddings
    z /= torch.linalg.vector_norm(z, dim=1, keepdim=True)
    pool = Embeddings(z, pool.labels, pool.text_prototypes)
    selection = TypicalClusters(candidates_per_class=20).select(pool, 5)
    for c in range(2):
        present = set(groups[pool.class_rows()[c]].tolist())
        assert set(groups[selection.class_indices(c)].tolist()) == present


def test_a_large_cluster_comes_first_and_an_empty_one_gives_nothing() -> None:
    values = torch.tensor([0.5, 0.5 + 1e-12, 0.9, 0.7], dtype=torch.float64)
    clusters = torch.tensor([1, 1, 0, 0])
    assert best_of_clusters(values, clusters, torch.tensor([2, 5, 9]), 4).tolist() == [0, 2, 3, 1]


@settings(deadline=None, max_examples=8)
@given(seed=SEEDS, ipc=st.integers(1, 7))
def test_filtered_random_draws_among_the_candidates(
    reference: Reference, make_pool: MakePool, seed: int, ipc: int
) -> None:
    pool = make_pool(seed)
    selection = FilteredRandom(candidate_ratio=1.5).select(pool, ipc, seed)
    for c, (rows, candidates) in enumerate(reference.candidates(pool, ipc, "1.5")):
        drawn = random_positions(len(candidates), ipc, seed, c).tolist()
        assert selection.class_indices(c).tolist() == [candidates[i] for i in drawn]
        assert set(np.flatnonzero(selection.scores["candidate"])) & set(rows) == set(candidates)
    assert selection.scores["pick_value"].isna().all()


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_share_is_a_share(share: float) -> None:
    with pytest.raises(SelectionError, match="better_share to be"):
        MostTypical(better_share=share)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 20), copies=st.booleans(), data=st.data())
def test_k_means_matches_slow_loops(seed: int, size: int, copies: bool, data: st.DataObject) -> None:
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
