"""One prototype per class: the direction that relevance and separability are taken against."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import Embeddings, as_float64, check_labels, rows_by_class

PrototypeSource = Literal["text", "image", "reference", "both", "refined"]


def image_prototypes(image_embeddings: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Normalised class means of image embeddings, float64 ``(C, d)``.

    Args:
        image_embeddings: Unit vectors ``(M, d)`` of the pool or of a reference set.
        labels: Class index of each image ``(M,)``.
        num_classes: Number of classes C; each needs at least one image.

    Raises:
        SelectionError: If a class has no image, or its mean is the zero vector.

    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> image_prototypes(z, torch.tensor([0, 0, 1]), 2).round(decimals=4).tolist()
    [[0.7071, 0.7071], [0.0, 1.0]]
    """
    check_labels(labels, len(image_embeddings), num_classes)
    means = torch.zeros(num_classes, image_embeddings.shape[1], dtype=torch.float64)
    for class_index, rows in enumerate(rows_by_class(labels, num_classes)):
        if len(rows) == 0:
            msg = (
                f"Expected at least 1 image of class {class_index} for its image prototype, found 0; "
                "add images or use prototypes='text'."
            )
            raise SelectionError(msg)
        means[class_index] = as_float64(image_embeddings[rows.to(image_embeddings.device)]).mean(dim=0)
    return normalized(means, "image")


def class_prototypes(embeddings: Embeddings, source: PrototypeSource) -> Tensor:
    """The prototypes ``(C, d)`` in float64 that need no scores; `PoolScorer` forms ``refined`` ones.

    Args:
        embeddings: The embedded pool.
        source: ``text``: the text prototypes; ``image``: normalised class means of the pool; ``reference``:
            the same of the reference set; ``both``: the normalised sum of ``text`` and ``reference``, or
            ``image`` where there is no reference set.

    Raises:
        SelectionError: If a prototype cannot be formed.
    """
    text, real = as_float64(embeddings.text_prototypes), embeddings.reference
    if source == "text":
        return text
    if source == "reference" and real is None:
        msg = (
            "Expected reference images for prototypes='reference', found none; give a reference set of real "
            "images, or take prototypes='refined'."
        )
        raise SelectionError(msg)
    if real is None or source == "image":
        image = image_prototypes(embeddings.image_embeddings, embeddings.labels, embeddings.num_classes)
    else:
        image = image_prototypes(real.image_embeddings, real.labels, embeddings.num_classes)
    return normalized(text + image, "summed") if source == "both" else image


def normalized(vectors: Tensor, kind: str) -> Tensor:
    """Vectors of norm 1 ``(C, d)``.

    Args:
        vectors: One vector per class ``(C, d)``, float64.
        kind: What they are, for the error.

    Raises:
        SelectionError: If one is the zero vector.
    """
    norms = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    degenerate = torch.nonzero(norms[:, 0] < 1e-9)
    if len(degenerate):
        msg = (
            f"Expected {kind} prototypes with a direction, found the zero vector for class "
            f"{int(degenerate[0])}; use prototypes='text'."
        )
        raise SelectionError(msg)
    unit: Tensor = vectors / norms
    return unit
