from __future__ import annotations

import warnings
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
    Embeddings,
    PoolScorer,
    PrototypeSource,
    QualityRule,
    ReferenceEmbeddings,
    image_prototypes,
)

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import
Z, Y, T = torch.eye(3), torch.tensor([0, 1, 1]), torch.eye(3)[:2]


def prototypes(
    pool: Embeddings, source: PrototypeSource, ipc: int = 1, share: float = 0.5, weight: float = 0.0
) -> torch.Tensor:
    rule = QualityRule(prototypes=source, refined_share=share, text_weight=weight)
    return PoolScorer(pool, rule, ipc).prototypes


@pytest.mark.parametrize("with_reference", [True, False])
@pytest.mark.parametrize("source", get_args(PrototypeSource))
def test_prototypes_match_the_transcription(
    reference: Reference, make_pool: MakePool, source: PrototypeSource, with_reference: bool
) -> None:
    pool = make_pool(1) if with_reference else replace(make_pool(1), reference=None)
    if source == "reference" and not with_reference:
        with pytest.raises(SelectionError, match="reference images for prototypes='reference', found none"):
            prototypes(pool, source)
        return
    np.testing.assert_allclose(prototypes(pool, source), reference.prototypes(pool, source), atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    ipc=st.integers(1, 12),
    share=st.sampled_from(["0.1", "0.3", "0.5", "1.0"]),
    weight=st.floats(0, 3),
)
def test_refined_prototypes_match_the_transcription(
    reference: Reference, make_pool: MakePool, seed: int, ipc: int, share: str, weight: float
) -> None:
    pool = make_pool(seed, duplicates=seed % 2 == 0)
    found = prototypes(pool, "refined", ipc, float(share), weight)
    expected = reference.prototypes(pool, "refined", ipc, share, weight)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_refined_prototypes_of_everything_are_the_class_means(make_pool: MakePool) -> None:
    pool = make_pool(2)
    torch.testing.assert_close(
        prototypes(pool, "refined", share=1.0), prototypes(pool, "image"), atol=1e-12, rtol=0
    )


def test_equal_image_prototypes_are_named_where_they_count() -> None:
    alike = Embeddings(
        Z, Y, torch.eye(3)[[0, 0]], reference=ReferenceEmbeddings(Z[[0, 0]], torch.tensor([0, 1]))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prototypes(alike, "text")  # the prior has said it, by name
        prototypes(alike, "image")
    for source in ("reference", "both"):
        with pytest.warns(UserWarning, match="equal ones for classes 0 and 1: scores"):
            prototypes(alike, source)


def test_prototypes_that_cannot_be_formed_are_refused() -> None:
    with pytest.raises(SelectionError, match="at least 1 image of class 2 for its image prototype, found 0"):
        image_prototypes(Z, Y, 3)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    with pytest.raises(
        SelectionError, match="image prototypes with a direction, found the zero vector for class 0"
    ):
        image_prototypes(opposite, torch.tensor([0, 0]), 1)
