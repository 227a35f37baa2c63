from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import (
    Embeddings,
    PrototypeSource,
    QualityRule,
    class_prototypes,
    image_prototypes,
    score_images,
)

Reference = Any  # the class of that name in conftest.py, which tests cannot import
Z = torch.eye(3)
Y = torch.tensor([0, 1, 1])
T = torch.eye(3)[:2]


@pytest.mark.parametrize("source", ["text", "image", "both"])
def test_prototypes_match_the_reference(
    reference: Reference, make_pool: Callable[..., Embeddings], source: PrototypeSource
) -> None:
    pool = make_pool(1)
    expected = reference.prototypes(
        pool.image_embeddings.numpy(), pool.labels.numpy(), pool.text_prototypes.numpy(), source
    )
    np.testing.assert_allclose(class_prototypes(pool, source).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("source", ["text", "image", "both"])
def test_prototypes_of_a_reference_set_stand_in_for_the_means_of_the_pool(
    reference: Reference, make_pool: Callable[..., Embeddings], source: PrototypeSource
) -> None:
    pool, other = make_pool(1), make_pool(2, counts=(4, 1, 7))
    given = image_prototypes(other.image_embeddings, other.labels, 3)
    with_reference = replace(pool, reference_prototypes=given)
    z, y, t = pool.image_embeddings.numpy(), pool.labels.numpy(), pool.text_prototypes.numpy()
    expected = reference.prototypes(z, y, t, source, (other.image_embeddings.numpy(), other.labels.numpy()))
    np.testing.assert_allclose(class_prototypes(with_reference, source).numpy(), expected, atol=1e-12)
    scores = score_images(with_reference, QualityRule(prototypes=source))
    np.testing.assert_allclose(scores.class_relevance, reference.relevance(z, y, expected), atol=1e-12)
    own = replace(pool, reference_prototypes=image_prototypes(pool.image_embeddings, pool.labels, 3))
    assert torch.equal(class_prototypes(own, source), class_prototypes(pool, source))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (2 * T, "reference_prototypes to hold finite unit vectors, found norm 2 in row 0"),
        (Z, r"reference_prototypes of shape \(2, 3\) like the text prototypes', found \(3, 3\)"),
        (torch.eye(2), r"reference_prototypes of shape \(2, 3\) .* found \(2, 2\)"),
        (T[0], r"reference_prototypes to be a non-empty floating tensor .* found shape \(3,\)"),
    ],
)
def test_malformed_reference_prototypes_are_refused(given: torch.Tensor, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        Embeddings(Z, Y, T, reference_prototypes=given)


def test_class_rows_partition_the_pool_in_order(make_pool: Callable[..., Embeddings]) -> None:
    pool = make_pool(2)
    for class_index, rows in enumerate(pool.class_rows()):
        assert rows.tolist() == torch.nonzero(pool.labels == class_index)[:, 0].tolist()
    assert pool.counts().tolist() == [12, 15, 11]
    assert (pool.num_images, pool.num_classes) == (38, 3)


def test_half_precision_vectors_are_unit_enough() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(50, 512, generator=torch.Generator().manual_seed(0)))
    Embeddings(vectors.bfloat16(), torch.zeros(50, dtype=torch.int64), vectors[:1].half())


@pytest.mark.parametrize(
    ("vectors", "labels", "prototypes", "scale", "message"),
    [
        (2 * Z, Y, T, 1.0, "image_embeddings to hold finite unit vectors, found norm 2 in row 0; normalise"),
        (Z * torch.nan, Y, T, 1.0, "finite unit vectors, found norm nan in row 0"),
        (Z, Y, 0 * T, 1.0, "text_prototypes to hold finite unit vectors, found norm 0 in row 0"),
        (Z[0], Y, T, 1.0, r"image_embeddings to be a non-empty floating tensor .* found shape \(3,\)"),
        (Z[:0], Y[:0], T, 1.0, r"non-empty floating tensor .* found shape \(0, 3\)"),
        (Z.long(), Y, T, 1.0, "non-empty floating tensor .* dtype torch.int64"),
        (Z, Y, torch.eye(2), 1.0, "text_prototypes of dimension 3 like the images', found 2"),
        (Z, Y[:2], T, 1.0, r"labels to be int64 of shape \(3,\), found torch.int64 of shape \(2,\)"),
        (Z, Y.float(), T, 1.0, r"labels to be int64 of shape \(3,\), found torch.float32"),
        (Z, Y + 1, T, 1.0, r"labels in \[0, 2\), found values from 1 to 2"),
        (Z, Y, T, 0.0, "logit_scale to be finite and > 0, found 0.0"),
    ],
)
def test_malformed_embeddings_are_refused(
    vectors: torch.Tensor, labels: torch.Tensor, prototypes: torch.Tensor, scale: float, message: str
) -> None:
    with pytest.raises(SelectionError, match=message):
        Embeddings(vectors, labels, prototypes, scale)


def test_prototypes_that_cannot_be_formed_are_refused() -> None:
    with pytest.raises(SelectionError, match="at least 1 image of class 2 for its image prototype, found 0"):
        image_prototypes(Z, Y, 3)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    with pytest.raises(
        SelectionError, match="image prototypes with a direction, found the zero vector for class 0"
    ):
        image_prototypes(opposite, torch.tensor([0, 0]), 1)
    with pytest.raises(SelectionError, match="prototypes to be one of text, image, both, found 'x'"):
        class_prototypes(Embeddings(Z, Y, T), "x")  # type: ignore[arg-type]
