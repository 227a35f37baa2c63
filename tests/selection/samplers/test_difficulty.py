from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import DifficultyGuided, Embeddings, difficulty_guided
from semdd_lightning.selection.samplers.difficulty import balancing_offsets, quotas

MakePool = Callable[..., Embeddings]
SEEDS = st.integers(0, 10**6)
Floats = list[float]


def bin_of(value: float) -> int:
    return sum(round(value, 9) >= edge / 10 for edge in range(1, 10))


def counts(values: Floats) -> list[int]:
    bins = [bin_of(value) for value in values]
    return [bins.count(b) for b in range(10)]


def logarithms(difficulties: Floats, b: int, t: int) -> Floats:
    ordered, most = sorted(difficulties), (len(difficulties) - 1) // 2
    bottom = ordered[min(b, most)] or 1e-4
    top = max(ordered[-1 - min(t, most)], bottom)
    if top == bottom:
        return [float(d >= bottom) for d in difficulties]
    clipped = [min(max(d, bottom), top) for d in difficulties]
    return [math.log(d / bottom) / math.log(top / bottom) for d in clipped]


def offsets(difficulties: Floats, ipc: int) -> tuple[int, int]:
    def divergence(p: Floats, q: list[int]) -> float:
        shares = [count / sum(q) for count in q]
        if any(a > 0 and b == 0 for a, b in zip(p, shares, strict=True)):
            return math.inf
        return sum(a * math.log(a / b) for a, b in zip(p, shares, strict=True) if a > 0)

    original = [count / len(difficulties) for count in counts(difficulties)]
    best, found = math.inf, (0, 0)
    for b in range(ipc // 2):
        for t in range(ipc // 2):
            q = counts(logarithms(difficulties, b, t))
            value = divergence(original, q) / 2 + divergence([0.1] * 10, q) / 2
            if value < best - 1e-9:
                best, found = value, (b, t)
    return found


def difficulties(seed: int, size: int) -> Floats:
    rng = np.random.default_rng(seed)
    return [float(d) for d in 10 ** -rng.uniform(0, 3, size)]


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS, ipc=st.integers(1, 8), size=st.integers(8, 60), real_size=st.integers(1, 40))
def test_agrees_with_the_literal_transcription(seed: int, ipc: int, size: int, real_size: int) -> None:
    pool, real = difficulties(seed, size), difficulties(seed + 1, real_size)
    b, t = offsets(pool, ipc)
    assert balancing_offsets(np.sort(pool), ipc) == (b, t)
    wanted = [count * ipc / real_size for count in counts(logarithms(real, b, t))]
    target = [math.floor(w + 1e-9) for w in wanted]
    while sum(target) < ipc:
        missing = [round(w - n, 9) if n < w + 1e-9 else -1.0 for w, n in zip(wanted, target, strict=True)]
        target[missing.index(max(missing))] += 1
    order = difficulty_guided(np.array(pool), np.array(real), ipc, torch.Generator().manual_seed(seed))
    bins = [bin_of(x) for x in logarithms(pool, b, t)]
    taken = [bins[i] for i in order.tolist()]
    enough = [min(want, bins.count(k)) for k, want in enumerate(target)]
    assert taken[: sum(enough)] == [k for k, n in enumerate(enough) for _ in range(n)]
    assert len(set(order.tolist())) == ipc


def test_images_of_a_bin_are_drawn_equally_often() -> None:
    pool = np.array([0.001] * 6 + [1.0] * 6)
    hits = np.zeros(12)
    for seed in range(300):
        order = difficulty_guided(pool, np.array([0.001, 1.0, 1.0]), 3, torch.Generator().manual_seed(seed))
        assert (order < 6).tolist() == [True, False, False]
        hits[order.numpy()] += 1
    expected = np.array([1 / 6] * 6 + [2 / 6] * 6)
    assert np.abs(hits / 300 - expected).max() < 0.14  # five standard deviations


@pytest.mark.parametrize("constant", [0.0, 1e-300, 0.3, 1.0])
def test_equal_difficulties_are_a_plain_draw(constant: float) -> None:
    order = difficulty_guided(np.full(8, constant), np.full(3, constant), 5, torch.Generator())
    assert len(set(order.tolist())) == 5


@given(counts=st.lists(st.integers(0, 50), min_size=10, max_size=10).filter(any), ipc=st.integers(1, 60))
def test_quotas_are_within_one_of_their_shares(counts: list[int], ipc: int) -> None:
    found = quotas(np.array(counts), ipc)
    assert found.sum() == ipc
    assert (np.abs(found - np.array(counts) * ipc / sum(counts)) < 1).all()
    assert (found[np.array(counts) == 0] == 0).all()


def test_it_depends_on_seed_and_leaves_the_global_generator_alone(make_pool: MakePool) -> None:
    pool = make_pool(3, counts=(40, 40))
    before = torch.get_rng_state()
    first = DifficultyGuided().select(pool, 8, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.digest == DifficultyGuided().select(pool, 8, seed=1).digest
    assert first.digest != DifficultyGuided().select(pool, 8, seed=2).digest
    assert pool.classifier is not None
    np.testing.assert_allclose(first.scores["difficulty"], 1 - pool.classifier.own)


def test_reference_images_have_to_be_classified(make_pool: MakePool) -> None:
    pool: Any = make_pool(3)
    pool = replace(pool, reference=replace(pool.reference, classifier=None))
    with pytest.raises(SelectionError, match="a classifier for difficulty, of the reference images too"):
        DifficultyGuided().select(pool, 2)
