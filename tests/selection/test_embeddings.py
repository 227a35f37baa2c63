from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import ClassifierOutputs, Embeddings, ReferenceEmbeddings

Z = torch.eye(3)
Y = torch.tensor([0, 1, 1])
T = torch.eye(3)[:2]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            ReferenceEmbeddings(2 * T, Y[:2]),
            "reference images to hold finite unit vectors, found norm 2 in row 0",
        ),
        (ReferenceEmbeddings(torch.eye(2), Y[:2]), "reference images of dimension 3 .* found 2"),
        (ReferenceEmbeddings(Z, Y + 1), r"labels in \[0, 2\), found values from 1 to 2"),
        (ReferenceEmbeddings(Z, Y[:2]), r"labels to be int64 of shape \(3,\)"),
    ],
)
def test_malformed_reference_images_are_refused(reference: ReferenceEmbeddings, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        Embeddings(Z, Y, T, reference=reference)


def test_a_classifier_says_something_of_every_image() -> None:
    outputs = ClassifierOutputs(torch.ones(2), torch.ones(2), Y[:2])
    with pytest.raises(SelectionError, match="a classifier's outputs for 3 images, found 2"):
        Embeddings(Z, Y, T, classifier=outputs)


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
