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
    DiversityMode,
    Embeddings,
    Normalization,
    PrototypeSource,
    QualityRule,
    Random,
    SeparabilityMode,
    TwoStage,
    class_relevance,
    class_separability,
    normalize,
    set_diversity,
)

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_relevance_is_the_cosine_to_the_own_prototype(
    reference: Reference, make_pool: MakePool, chunk: int
) -> None:
    pool = make_pool(1)
    z, y, t = pool.image_embeddings, pool.labels, pool.text_prototypes
    expected = reference.relevance(z.numpy(), y.numpy(), t.numpy())
    np.testing.assert_allclose(class_relevance(z, y, t, chunk).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("mode", get_args(SeparabilityMode))
def test_separability_matches_the_reference(
    reference: Reference, make_pool: MakePool, mode: SeparabilityMode, chunk: int
) -> None:
    pool = make_pool(2)
    z, y, t = pool.image_embeddings, pool.labels, pool.text_prototypes
    expected = reference.separability(z.numpy(), y.numpy(), t.numpy(), mode, 20.0)
    np.testing.assert_allclose(class_separability(z, y, t, mode, 20.0, chunk).numpy(), expected, atol=1e-11)


@pytest.mark.parametrize("mode", get_args(DiversityMode))
def test_set_diversity_matches_the_reference(
    reference: Reference, make_pool: MakePool, mode: DiversityMode
) -> None:
    z = make_pool(3).image_embeddings
    expected = [reference.diversity(z.numpy(), [4, 0, 9], i, mode) for i in range(len(z))]
    np.testing.assert_allclose(set_diversity(z, z[[4, 0, 9]], mode, chunk=5).numpy(), expected, atol=1e-12)


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


def test_scores_are_float64_whatever_the_embeddings_are(make_pool: MakePool) -> None:
    pool = make_pool(4, dtype=torch.float16)
    scores = TwoStage(prototypes="text").select(pool, 2).scores
    z, y, t = pool.image_embeddings.double(), pool.labels, pool.text_prototypes.double()
    np.testing.assert_allclose(scores["class_relevance"], class_relevance(z, y, t), atol=1e-12)


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
    pool = make_pool(6, counts=(5, 5, 5, 5), dtype=torch.float32)
    t = pool.text_prototypes.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        class_separability(pool.image_embeddings, pool.labels, t)
    t[3] = t[1]
    with pytest.warns(UserWarning, match="equal ones for classes 1 and 3: scores"):
        class_separability(pool.image_embeddings, pool.labels, t, chunk=1)


@pytest.mark.parametrize("cosine", [1 - 2e-6, 1 - 5e-7])
def test_prototypes_are_equal_from_one_cosine_on(make_pool: MakePool, cosine: float) -> None:
    pool = make_pool(7, counts=(5, 5), dim=2)
    t = torch.tensor([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]], dtype=torch.float64)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        class_separability(pool.image_embeddings, pool.labels, t)
    assert len(caught) == (cosine > 1 - 1e-6)


def test_one_class_has_no_separability(make_pool: MakePool) -> None:
    pool = make_pool(7, counts=(5,))
    with pytest.raises(SelectionError, match="at least 2 classes for class separability, found 1; set"):
        class_separability(pool.image_embeddings, pool.labels, pool.text_prototypes)
    assert Random().select(pool, 2).scores["class_separability"].isna().all()


def test_wrong_arguments_are_refused(make_pool: MakePool) -> None:
    pool = make_pool(8)
    z, y, t = pool.image_embeddings, pool.labels, pool.text_prototypes
    with pytest.raises(
        SelectionError, match="separability mode to be one of margin, mean, posterior, found 'x'"
    ):
        class_separability(z, y, t, mode="x")  # type: ignore[arg-type]
    with pytest.raises(SelectionError, match="diversity mode to be one of nearest, mean, found 'x'"):
        set_diversity(z, z, mode="x")  # type: ignore[arg-type]
    with pytest.raises(
        SelectionError, match="at least 1 selected image to measure diversity against, found 0"
    ):
        set_diversity(z, z[:0])
    with pytest.raises(SelectionError, match="normalization to be one of minmax, zscore, rank, found 'x'"):
        normalize(torch.ones(3), "x")  # type: ignore[arg-type]
    with pytest.raises(SelectionError, match="at least 1 value to normalise, found 0"):
        normalize(torch.ones(0))
    with pytest.raises(SelectionError, match="chunk to be at least 1 row, found 0"):
        class_relevance(z, y, t, chunk=0)
    with pytest.raises(SelectionError, match=r"separability_weight to be in \[0, 1\], found nan"):
        QualityRule(separability_weight=float("nan"))
