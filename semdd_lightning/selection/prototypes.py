"""One prototype per class, and how a class's images lie to the prototypes of all classes."""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import Embeddings, as_float64, check_labels, rows_by_class
from semdd_lightning.selection.largest_product import LargestProduct
from semdd_lightning.selection.pieces import DEFAULT_CHUNK, Scratch, row_chunks, similarity_blocks
from semdd_lightning.selection.ties import rounded

PrototypeSource = Literal["text", "image", "reference", "both", "refined"]
# Prototypes are equal up to a cosine of 1 - 1e-6: |a - b|^2 = 2 - 2 cos for unit vectors. The prior holds
# text prototypes to the same number.
EQUAL_SQUARED_DISTANCE = 2e-6
_PAIRS_SHOWN = 5


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


class Similarities(NamedTuple):
    """How the images of a class lie to the prototypes.

    Attributes:
        own: Cosine to the prototype of the class ``(n,)``.
        rival: Largest cosine to the prototype of another class ``(n,)``; minus infinity for C = 1.
        predicted: Class of the nearest prototype ``(n,)``, int64.
    """

    own: Tensor
    rival: Tensor
    predicted: Tensor


class ClassSimilarities:
    """Gives the `Similarities` of the images of a class; threads may share it.

    The rival, which is the best of the other classes, is found at the cost of a coarse product.

    Args:
        prototypes: Unit vectors ``(C, d)``.
        chunk: Images computed at a time; changes nothing but memory.
        scratch: Memory for intermediate results.
    """

    def __init__(self, prototypes: Tensor, chunk: int, scratch: Scratch) -> None:
        self.prototypes = as_float64(prototypes)
        self._chunk = chunk
        self._find = LargestProduct(self.prototypes, scratch)

    def __call__(self, vectors: Tensor, class_index: int) -> Similarities:
        """Similarities of images of one class.

        Args:
            vectors: Their unit vectors ``(n, d)``, float64 on the CPU.
            class_index: The class.
        """
        own, rival = torch.empty(2, len(vectors), dtype=torch.float64)
        predicted = torch.empty(len(vectors), dtype=torch.int64)
        for rows in row_chunks(len(vectors), self._chunk):
            block = vectors[rows]
            own[rows] = block @ self.prototypes[class_index]
            other, rival[rows] = self._find(block, hidden=(slice(None), class_index))
            behind = rounded(rival[rows]) - rounded(own[rows])
            loses = (behind > 0) | ((behind == 0) & (other < class_index))
            predicted[rows] = torch.where(loses, other, class_index)
        return Similarities(own, rival, predicted)


def warn_equal_prototypes(prototypes: Tensor, chunk: int = DEFAULT_CHUNK) -> None:
    """Warn, naming the class indices, where two classes have equal prototypes: a cosine of 1 - 1e-6 or more.

    Args:
        prototypes: Unit vectors ``(C, d)``.
        chunk: Rows compared at a time.
    """
    squared = as_float64(prototypes).square().sum(dim=1)
    pairs: list[tuple[int, int]] = []
    for rows, product in similarity_blocks(prototypes, prototypes, chunk):
        close = squared[rows, None] + squared[None, :] - 2 * product <= EQUAL_SQUARED_DISTANCE
        found = torch.nonzero(torch.triu(close, diagonal=rows.start + 1))
        pairs += [(rows.start + int(first), int(second)) for first, second in found]
    if pairs:
        shown = ", ".join(f"{first} and {second}" for first, second in pairs[:_PAIRS_SHOWN])
        more = f" and {len(pairs) - _PAIRS_SHOWN} more pairs" if len(pairs) > _PAIRS_SHOWN else ""
        warnings.warn(
            f"Expected every class to have its own prototype, found equal ones for classes {shown}{more}: "
            "scores cannot tell them apart; give these classes names and images of their own.",
            UserWarning,
            stacklevel=3,
        )
