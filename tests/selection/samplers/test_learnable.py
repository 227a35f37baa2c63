"""Two-stage sampling that weighs what a student learns early."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import Embeddings, Learnable, build_sampler

Array = NDArray[np.float64]
MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import


def test_candidates_are_best_by_half_quality_and_half_learnability(
    reference: Reference, make_pool: MakePool
) -> None:
    pool, ipc = make_pool(5), 3
    z, y = pool.image_embeddings.numpy(), pool.labels.numpy()
    assert pool.learning is not None
    learned = pool.learning.numpy()

    def mixed(prototypes: Array) -> Array:
        quality: Array = reference.quality(pool, prototypes)
        for c in range(pool.num_classes):
            rows = np.flatnonzero(y == c)
            quality[rows] = 0.5 * quality[rows] + 0.5 * reference.normalize(learned[rows], "minmax")
        return quality

    first = mixed(pool.text_prototypes.numpy())
    refined = []
    for c in range(pool.num_classes):
        rows = [int(i) for i in np.flatnonzero(y == c)]
        mean = z[reference.by_quality(rows, first)[: -(-len(rows) // 2)]].mean(axis=0)
        refined.append(mean / np.linalg.norm(mean))
    quality = mixed(np.stack(refined))

    selection = build_sampler("learnable").select(pool, ipc)
    np.testing.assert_allclose(selection.scores["quality"], quality, atol=1e-12)
    for c in range(pool.num_classes):
        rows = [int(i) for i in np.flatnonzero(y == c)]
        assert selection.class_indices(c)[0] == reference.by_quality(rows, quality)[0]
        kept = selection.scores["stage"].to_numpy()[rows]
        best = set(reference.by_quality(rows, quality)[: 2 * ipc])
        assert {row for row, stage in zip(rows, kept, strict=True) if stage != "filtered"} == best


def test_with_more_images_per_class_learnability_counts_less() -> None:
    sampler = Learnable()
    weights = [sampler.resolved(ipc).learnability_weight for ipc in (1, 10, 22, 50, 100)]
    assert weights == pytest.approx([0.5, 0.5, 0.5 - 0.25 * math.log(2.2) / math.log(5), 0.25, 0.25])
    assert sampler.resolved(50).resolved(1) == sampler.resolved(50)


def test_the_weight_of_many_images_is_that_of_the_choice(make_pool: MakePool) -> None:
    pool = make_pool(8, counts=(60, 55))
    expected = Learnable(learnability_weight=0.25).select(pool, 50).scores["quality"]
    np.testing.assert_array_equal(Learnable().select(pool, 50).scores["quality"], expected)


def test_without_weight_it_is_two_stage(make_pool: MakePool) -> None:
    pool = dataclasses.replace(make_pool(6), learning=None)
    alone = build_sampler("two_stage").select(pool, 3)
    assert Learnable(learnability_weight=0.0).select(pool, 3).indices.tolist() == alone.indices.tolist()
    with pytest.raises(SelectionError, match="learnability_weight"):
        Learnable(learnability_weight=1.5)
    with pytest.raises(SelectionError, match="Expected scores beside learnability"):
        Learnable(scores={"typicality": 1.0, "learnability": 1.0})
