from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import (
    Embeddings,
    Normalization,
    PoolScorer,
    PrototypeSource,
    Quality,
    QualityRule,
    Random,
    SeparabilityMode,
    TwoStage,
    normalize,
)
from semdd_lightning.selection.prototypes import warn_equal_prototypes
from semdd_lightning.selection.scores.of_images import Typicality
from semdd_lightning.selection.scores.of_prototypes import ClassSeparability

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("mode", get_args(SeparabilityMode))
def test_relevance_and_separability_match_the_reference(
    reference: Reference, make_pool: MakePool, mode: SeparabilityMode, chunk: int
) -> None:
    pool = make_pool(2)
    z, y, t = pool.image_embeddings.numpy(), pool.labels.numpy(), pool.text_prototypes.numpy()
    scorer = PoolScorer(pool, QualityRule(separability_mode=mode, prototypes="text"), ipc=1, chunk=chunk)
    expected = reference.relevance(z, y, t), reference.separability(z, y, t, mode, 20.0)
    for c, rows in enumerate(pool.class_rows()):
        scores = scorer.class_pool(c, rows).scores
        np.testing.assert_allclose(scores["class_relevance"], expected[0][rows], atol=1e-12)
        np.testing.assert_allclose(scores["class_separability"], expected[1][rows], atol=1e-11)


@pytest.mark.parametrize("method", get_args(Normalization))
@given(seed=st.integers(0, 10_000), size=st.integers(1, 30), ties=st.booleans())
def test_normalize_matches_the_reference(
    reference: Reference, method: Normalization, seed: int, size: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, size).astype(float) if ties else rng.normal(size=size)
    result = normalize(torch.from_numpy(values), method).numpy()
    np.testing.assert_allclose(result, reference.normalize(values, method), atol=1e-12)
    if method != "zscore":
        assert result.min() >= 0
        assert result.max() <= 1


@pytest.mark.parametrize(("method", "constant"), [("minmax", 0.5), ("rank", 0.5), ("zscore", 0.0)])
@pytest.mark.parametrize("size", [1, 5])
def test_constant_scores_normalise_to_a_constant(method: Normalization, constant: float, size: int) -> None:
    noise = torch.linspace(0, 9e-7, size, dtype=torch.float64)
    assert normalize(0.25 + noise, method).tolist() == [constant] * size


def test_ranks_ignore_differences_below_the_comparison_precision() -> None:
    values = torch.tensor([0.3, 0.1, 0.3 + 1e-13], dtype=torch.float64)
    assert normalize(values, "rank").tolist() == [0.75, 0.0, 0.75]


def test_scores_are_float64_whatever_the_embeddings_are(reference: Reference, make_pool: MakePool) -> None:
    pool = make_pool(4, dtype=torch.float16)
    scores = TwoStage(prototypes="text").select(pool, 2).scores
    z, t = pool.image_embeddings.double().numpy(), pool.text_prototypes.double().numpy()
    expected = reference.relevance(z, pool.labels.numpy(), t)
    np.testing.assert_allclose(scores["class_relevance"], expected, atol=1e-12)


@pytest.mark.parametrize("source", get_args(PrototypeSource))
def test_the_table_agrees_with_the_single_scores(
    reference: Reference, make_pool: MakePool, source: PrototypeSource
) -> None:
    pool = make_pool(5)
    z, y, text = pool.image_embeddings.numpy(), pool.labels.numpy(), pool.text_prototypes.numpy()
    p = reference.prototypes(pool, source, 4, rule={"separability_mode": "mean"})
    scores = TwoStage(prototypes=source, separability_mode="mean").select(pool, 4).scores
    np.testing.assert_allclose(scores["class_relevance"], reference.relevance(z, y, p), atol=1e-12)
    np.testing.assert_allclose(
        scores["class_separability"], reference.separability(z, y, p, "mean", 20.0), atol=1e-12
    )
    assert scores["predicted"].tolist() == (z @ text.T).argmax(axis=1).tolist()


def test_equal_prototypes_are_named(make_pool: MakePool) -> None:
    t = make_pool(6, counts=(5, 5, 5, 5), dtype=torch.float32).text_prototypes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_equal_prototypes(t)
    t[3] = t[1]
    with pytest.warns(UserWarning, match="equal ones for classes 1 and 3: scores"):
        warn_equal_prototypes(t, chunk=1)


@pytest.mark.parametrize("cosine", [1 - 2e-6, 1 - 5e-7])
def test_prototypes_are_equal_from_one_cosine_on(cosine: float) -> None:
    t = torch.tensor([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]], dtype=torch.float64)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_equal_prototypes(t)
    assert len(caught) == (cosine > 1 - 1e-6)


def test_one_class_has_no_separability(make_pool: MakePool) -> None:
    pool = make_pool(7, counts=(5,))
    with pytest.raises(SelectionError, match="at least 2 classes for class separability, found 1; set"):
        Quality().select(pool, 2)
    assert Random().select(pool, 2).scores["class_separability"].isna().all()


def test_wrong_arguments_are_refused(make_pool: MakePool) -> None:
    with pytest.raises(
        SelectionError, match="separability mode to be one of margin, mean, posterior, found 'x'"
    ):
        ClassSeparability("x")  # type: ignore[arg-type]
    with pytest.raises(SelectionError, match="diversity_mode to be one of nearest, mean, found 'x'"):
        TwoStage(diversity_mode="x")  # type: ignore[arg-type]
    with pytest.raises(SelectionError, match="neighbours to be at least 1, found 0"):
        Typicality(0)
    with pytest.raises(SelectionError, match="normalization to be one of minmax, zscore, rank, found 'x'"):
        normalize(torch.ones(3), "x")  # type: ignore[arg-type]
    with pytest.raises(SelectionError, match="at least 1 value to normalise, found 0"):
        normalize(torch.ones(0))
    with pytest.raises(SelectionError, match="chunk to be at least 1 row, found 0"):
        PoolScorer(make_pool(8), QualityRule(prototypes="text"), ipc=1, chunk=0).class_pool(
            0, torch.arange(3)
        )
    with pytest.raises(SelectionError, match=r"separability_weight to be in \[0, 1\], found nan"):
        QualityRule(separability_weight=float("nan"))
