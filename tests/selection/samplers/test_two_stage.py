from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import (
    ClassPool,
    DiversityMode,
    Embeddings,
    FilteredRandom,
    Normalization,
    Picks,
    PrototypeSource,
    SeparabilityMode,
    TwoStage,
    build_sampler,
    dynamic_diversity,
)
from semdd_lightning.selection import (
    sampler as sampler_module,
)
from semdd_lightning.selection.pool_scorer import PoolScorer

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import
SEEDS = st.integers(0, 10**6)
ALL_MODES = list(
    itertools.product(
        get_args(SeparabilityMode),
        get_args(DiversityMode),
        get_args(Normalization),
        get_args(PrototypeSource),
    )
)


@pytest.mark.parametrize(("separability", "diversity", "normalization", "prototypes"), ALL_MODES)
@pytest.mark.parametrize("duplicates", [False, True])
def test_agrees_with_the_literal_transcription(
    reference: Reference,
    make_pool: MakePool,
    separability: SeparabilityMode,
    diversity: DiversityMode,
    normalization: Normalization,
    prototypes: PrototypeSource,
    duplicates: bool,
) -> None:
    seed = ALL_MODES.index((separability, diversity, normalization, prototypes))
    rng = np.random.default_rng(seed)
    pool = make_pool(seed, duplicates=duplicates)
    ipc, ratio = int(rng.integers(1, 6)), float(rng.choice([1.0, 1.7, 3.0]))
    w_sep, w_div = (float(w) for w in rng.choice([0.0, 0.3, 0.5, 1.0], 2))
    share, w_text = float(rng.choice([0.2, 0.5, 1.0])), float(rng.choice([0.0, 1.0]))
    shared: dict[str, Any] = {
        "separability_weight": w_sep,
        "diversity_weight": w_div,
        "separability_mode": separability,
        "diversity_mode": diversity,
        "normalization": normalization,
        "prototypes": prototypes,
        "text_weight": w_text,
    }
    selection = TwoStage(candidate_ratio=ratio, refined_share=share, **shared).select(pool, ipc)
    indices, values, candidates = reference.two_stage(
        pool, ipc, str(ratio), refined_share=str(share), **shared
    )
    assert selection.indices.tolist() == indices
    assert set(np.flatnonzero(selection.scores["candidate"])) == candidates
    np.testing.assert_allclose(selection.scores["pick_value"].to_numpy()[indices], values, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS, ipc=st.integers(1, 7), w_div=st.floats(0, 1), w_sep=st.floats(0, 1))
def test_agrees_with_the_transcription_for_any_weights(
    reference: Reference, make_pool: MakePool, seed: int, ipc: int, w_div: float, w_sep: float
) -> None:
    pool = make_pool(seed, counts=(8, 10), dtype=torch.float32)
    sampler = TwoStage(candidate_ratio=1.5, separability_weight=w_sep, diversity_weight=w_div)
    selection = sampler.select(pool, ipc)
    assert selection.indices.tolist() == reference.two_stage(pool, ipc, "1.5", w_sep, w_div)[0]


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, ipc=st.integers(1, 10), chunk=st.integers(1, 40), duplicates=st.booleans())
def test_chunk_size_changes_nothing(
    make_pool: MakePool, seed: int, ipc: int, chunk: int, duplicates: bool
) -> None:
    pool = make_pool(seed, duplicates=duplicates)
    expected = TwoStage().select(pool, ipc)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampler_module, "PoolScorer", functools.partial(PoolScorer, chunk=chunk))
        chunked = TwoStage().select(pool, ipc)
    assert chunked.digest == expected.digest


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, ipc=st.integers(1, 10))
def test_listing_order_changes_nothing(make_pool: MakePool, seed: int, ipc: int) -> None:
    pool = make_pool(seed)
    permutation = torch.from_numpy(np.random.default_rng(seed).permutation(pool.num_images))
    shuffled = replace(
        pool, image_embeddings=pool.image_embeddings[permutation], labels=pool.labels[permutation]
    )
    found = permutation[TwoStage().select(shuffled, ipc).indices]
    assert found.tolist() == TwoStage().select(pool, ipc).indices.tolist()


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, ipc=st.integers(1, 10), normalization=st.sampled_from(get_args(Normalization)))
def test_without_diversity_it_is_the_top_by_quality(
    make_pool: MakePool, seed: int, ipc: int, normalization: Normalization
) -> None:
    pool = make_pool(seed)
    selection = TwoStage(diversity_weight=0.0, normalization=normalization).select(pool, ipc)
    for class_index, rows in enumerate(pool.class_rows()):
        quality = selection.scores["quality"].round(9)
        expected = sorted(rows.tolist(), key=lambda row: (-quality[row], row))[:ipc]
        assert selection.class_indices(class_index).tolist() == expected


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, ipc=st.integers(1, 10))
def test_diversity_alone_is_farthest_point_from_the_best_quality(
    make_pool: MakePool, seed: int, ipc: int
) -> None:
    pool = make_pool(seed)
    selection = TwoStage(candidates_per_class=10**6, diversity_weight=1.0).select(pool, ipc)
    z = pool.image_embeddings.numpy()
    for class_index, rows in enumerate(pool.class_rows()):
        members = rows.tolist()
        picked = [max(members, key=lambda row: (selection.scores["quality"][row], -row))]
        while len(picked) < ipc:
            distance = {row: np.min(1 - z[picked] @ z[row]) for row in members if row not in picked}
            picked.append(max(distance, key=lambda row: distance[row]))
        assert selection.class_indices(class_index).tolist() == picked


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS, ipc=st.integers(2, 9), mode=st.sampled_from(get_args(DiversityMode)))
def test_a_smaller_selection_is_a_prefix(
    make_pool: MakePool, seed: int, ipc: int, mode: DiversityMode
) -> None:
    pool = make_pool(seed)
    # refined prototypes of 0.8 of a class are of more than ipc images, and so the same for any of these
    sampler = TwoStage(candidates_per_class=9, diversity_weight=0.4, diversity_mode=mode, refined_share=0.8)
    whole = sampler.select(pool, ipc)
    for smaller in range(1, ipc):
        part = sampler.select(pool, smaller)
        for class_index in range(3):
            expected = whole.class_indices(class_index)[:smaller]
            assert part.class_indices(class_index).tolist() == expected.tolist()


@pytest.mark.parametrize("normalization", get_args(Normalization))
@pytest.mark.parametrize("mode", get_args(DiversityMode))
def test_a_pool_of_equal_images_is_picked_in_path_order(
    normalization: Normalization, mode: DiversityMode
) -> None:
    pool = Embeddings(torch.eye(3)[[0] * 6], torch.tensor([0, 0, 0, 1, 1, 1]), torch.eye(3)[1:])
    selection = TwoStage(normalization=normalization, diversity_mode=mode).select(pool, 2)
    assert selection.indices.tolist() == [0, 1, 3, 4]
    value = 0.0 if normalization == "zscore" else 0.5
    assert selection.scores["pick_value"].dropna().tolist() == [value] * 4


def test_ties_within_rounding_go_to_the_first_candidate() -> None:
    z = torch.eye(4, dtype=torch.float64)
    quality = torch.tensor([0.2, 0.9, 0.9 + 1e-12, 0.1], dtype=torch.float64)
    assert dynamic_diversity(z, quality, 2, diversity_weight=0.0)[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("num_images", "ipc", "ratio", "count", "expected"),
    [
        (1000, 50, 2.2, None, 110),
        (1000, 10, 1.1, None, 11),
        (1000, 100, 1.15, None, 115),
        (1000, 7, 1.5, None, 11),
        (1000, 3, 1.0, None, 3),
        (20, 10, 3.0, None, 20),
        (1000, 10, 3.0, 12, 12),
        (11, 10, 3.0, 12, 11),
    ],
)
def test_candidates_are_counted_in_decimals(
    make_pool: MakePool, num_images: int, ipc: int, ratio: float, count: int | None, expected: int
) -> None:
    sampler = FilteredRandom(candidate_ratio=ratio, candidates_per_class=count, separability_weight=0.0)
    selection = sampler.select(make_pool(1, counts=(num_images,)), ipc)
    assert selection.scores["candidate"].sum() == expected


def test_one_class_works_without_separability(make_pool: MakePool) -> None:
    pool = make_pool(1, counts=(8,))
    selection = TwoStage(separability_weight=0.0).select(pool, 2)
    assert len(selection) == 2
    assert selection.scores["class_separability"].isna().all()
    with pytest.raises(SelectionError, match="at least 2 classes for class separability, found 1"):
        TwoStage().select(pool, 2)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"candidate_ratio": 0.9}, "candidate_ratio to be auto, or finite and at least 1, found 0.9"),
        ({"candidate_ratio": float("inf")}, "to be auto, or finite and at least 1, found inf"),
        ({"candidates_per_class": 0}, "candidates_per_class to be at least 1, found 0"),
        ({"candidates_per_class": 2.5}, "candidates_per_class to be at least 1, found 2.5"),
        ({"candidate_ratio": "3"}, "candidate_ratio to be auto, or finite and at least 1, found '3'"),
        ({"text_weight": None}, "text_weight finite and >= 0, found 0.5 and None"),
        ({"text_weight": 10**30}, "text_weight finite and >= 0"),
        ({"scores": ["relevance"]}, r"weights >= 0, one of them above, found \['relevance'\]"),
        ({"scores": {"relevance": "1"}}, "weights >= 0, one of them above"),
        ({"separability_weight": -0.1}, r"separability_weight to be in \[0, 1\], found -0.1"),
        ({"diversity_weight": 1.1}, r"diversity_weight to be in \[0, 1\], found 1.1"),
        ({"separability_mode": "x"}, "separability_mode to be one of margin, mean, posterior, found 'x'"),
        ({"diversity_mode": "x"}, "diversity_mode to be one of nearest, mean, found 'x'"),
        ({"normalization": "x"}, "normalization to be one of minmax, zscore, rank, found 'x'"),
        ({"prototypes": "x"}, "prototypes to be one of text, image, reference, both, refined, found 'x'"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        TwoStage(**parameters)


@pytest.mark.parametrize(("ipc", "qualities"), [(0, 3), (4, 3), (2, 2)])
def test_what_does_not_fit_is_refused(ipc: int, qualities: int) -> None:
    quality = torch.ones(qualities, dtype=torch.float64)
    with pytest.raises(SelectionError, match=f"found ipc {ipc}, 3 candidates and {qualities} qualities"):
        dynamic_diversity(torch.eye(3, dtype=torch.float64), quality, ipc)


def test_what_pick_is_given_stays_as_it_is(make_pool: MakePool) -> None:
    kept = []

    class Keeping(TwoStage):
        def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
            kept.append(pool)
            return super().pick(pool, ipc, seed)

    pool = make_pool(3, counts=(9, 9, 9), dtype=torch.float16)
    Keeping().select(pool, 2)
    for of_class in kept:
        torch.testing.assert_close(of_class.image_embeddings, pool.image_embeddings[of_class.rows].double())


def test_fewer_candidates_than_ipc_are_refused(make_pool: MakePool) -> None:
    with pytest.raises(
        SelectionError, match="candidates_per_class to be at least ipc = 5, found 4; raise it"
    ):
        TwoStage(candidates_per_class=4).select(make_pool(1), 5)


def test_auto_moves_from_few_to_many_images_by_the_logarithm() -> None:
    found = {ipc: TwoStage().resolved(ipc) for ipc in (1, 10, 22, 50, 500)}
    assert {ipc: (s.candidate_ratio, s.diversity_weight) for ipc, s in found.items() if ipc != 22} == {
        1: (2.0, 0.2),
        10: (2.0, 0.2),
        50: (3.0, 0.5),
        500: (3.0, 0.5),
    }
    share = math.log(2.2) / math.log(5)
    assert found[22].candidate_ratio == pytest.approx(2 + share)
    assert found[22].diversity_weight == pytest.approx(0.2 + 0.3 * share)
    given = TwoStage(candidate_ratio=1.5, diversity_weight=0.7)
    assert given.resolved(50) == given


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS, ipc=st.integers(1, 10))
def test_auto_is_its_resolved_numbers(make_pool: MakePool, seed: int, ipc: int) -> None:
    pool = make_pool(seed)
    assert TwoStage().select(pool, ipc).digest == TwoStage().resolved(ipc).select(pool, ipc).digest


def test_classic_is_the_first_release(reference: Reference, make_pool: MakePool) -> None:
    pool = make_pool(9)
    expected = reference.two_stage(pool, 3, "3", 0.5, 0.5, prototypes="text")[0]
    assert TwoStage.classic().select(pool, 3).indices.tolist() == expected
    assert build_sampler("two_stage_classic") == TwoStage.classic()


def test_refined_prototypes_hold_at_least_ipc_images(make_pool: MakePool) -> None:
    """With all of a class kept, refined prototypes are the class means."""
    pool = make_pool(10, counts=(6, 6))
    sampler = TwoStage(refined_share=0.1)
    assert sampler.select(pool, 6).scores["class_relevance"].tolist() == pytest.approx(
        TwoStage(prototypes="image").select(pool, 6).scores["class_relevance"].tolist()
    )
