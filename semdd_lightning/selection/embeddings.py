"""What a sampler sees of a pool: image embeddings, labels, text prototypes, and what stands beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError

_NORM_TOLERANCE = 1e-2  # wide enough for bfloat16 vectors, narrow enough to catch a forgotten normalisation
_CHECK_ROWS = 2048


@dataclass(frozen=True, eq=False)
class ClassifierOutputs:
    """What a classifier says of some images, as probabilities over all classes that it knows.

    Args:
        own: Probability of the image's own class ``(n,)``, float64.
        largest: Largest probability ``(n,)``, float64.
        predicted: Class that has it ``(n,)``, int64; C or more where it is none of the C classes.
    """

    own: Tensor
    largest: Tensor
    predicted: Tensor

    def rows(self, index: Tensor) -> ClassifierOutputs:
        """The outputs for some of the images.

        Args:
            index: Rows ``(m,)``, int64.
        """
        return ClassifierOutputs(self.own[index], self.largest[index], self.predicted[index])


@dataclass(frozen=True, eq=False)
class ReferenceEmbeddings:
    """Real images of the pool's classes, embedded by the same prior.

    Args:
        image_embeddings: Unit vectors ``(R, d)``.
        labels: Class index of each image ``(R,)``, int64, in the pool's class order.
        classifier: What a classifier says of them; None without one.
        parts: The same images under each of several priors; empty under one.
    """

    image_embeddings: Tensor
    labels: Tensor
    classifier: ClassifierOutputs | None = None
    parts: tuple[ReferenceEmbeddings, ...] = ()

    def by_class(self, num_classes: int) -> list[ReferenceEmbeddings]:
        """The images of each class by themselves.

        Args:
            num_classes: Number of classes C.
        """
        return [self.rows(index) for index in rows_by_class(self.labels, num_classes)]

    def rows(self, index: Tensor) -> ReferenceEmbeddings:
        """Some of the images, by the vectors here alone, without `parts`.

        Args:
            index: Rows ``(m,)``, int64.
        """
        return ReferenceEmbeddings(
            self.image_embeddings[index.to(self.image_embeddings.device)],
            self.labels.cpu()[index],
            None if self.classifier is None else self.classifier.rows(index),
        )


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embedded pool, rows in the order of the images' sorted relative paths.

    Args:
        image_embeddings: Unit vectors ``(N, d)``, any floating dtype, any device.
        labels: Class index of each image ``(N,)``, int64, in [0, C).
        text_prototypes: One unit vector per class ``(C, d)``.
        logit_scale: Factor from cosines to logits, the exponential already applied; > 0.
        reference: Real images of the same classes; None where there are none.
        classifier: What a classifier says of the pool's images; None without one.
        learning: Mean log posterior of the own class while a student learned from the pool ``(N,)``, float64;
            None where none did.
        parts: The same pool under each of several priors, whose vectors stand side by side in the vectors
            here; empty under one prior.

    Raises:
        SelectionError: If shapes, dtypes, norms or labels are not as above.
    """

    image_embeddings: Tensor
    labels: Tensor
    text_prototypes: Tensor
    logit_scale: float = 100.0
    reference: ReferenceEmbeddings | None = None
    classifier: ClassifierOutputs | None = None
    learning: Tensor | None = None
    parts: tuple[Embeddings, ...] = ()

    def __post_init__(self) -> None:
        _check_unit_rows("image_embeddings", self.image_embeddings)
        _check_unit_rows("text_prototypes", self.text_prototypes)
        check_labels(self.labels, len(self.image_embeddings), self.num_classes)
        dim, prototype_dim = self.image_embeddings.shape[1], self.text_prototypes.shape[1]
        if dim != prototype_dim:
            msg = (
                f"Expected text_prototypes of dimension {dim} like the images', found {prototype_dim}; "
                "embed images and prompts with the same prior."
            )
            raise SelectionError(msg)
        if self.reference is not None:
            _check_reference(self.reference, self.text_prototypes)
        if self.classifier is not None and len(self.classifier.own) != self.num_images:
            msg = (
                f"Expected a classifier's outputs for {self.num_images} images, found "
                f"{len(self.classifier.own)}; classify this pool."
            )
            raise SelectionError(msg)
        if self.learning is not None and self.learning.shape != (self.num_images,):
            msg = (
                f"Expected learning to be of shape ({self.num_images},), found {tuple(self.learning.shape)}; "
                "learn from this pool."
            )
            raise SelectionError(msg)
        if not (math.isfinite(self.logit_scale) and self.logit_scale > 0):
            msg = (
                f"Expected logit_scale to be finite and > 0, found {self.logit_scale}; pass the exponential."
            )
            raise SelectionError(msg)

    @property
    def num_images(self) -> int:
        """Number of pool images N."""
        return len(self.image_embeddings)

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.text_prototypes)

    def counts(self) -> Tensor:
        """Images per class ``(C,)``, int64."""
        return torch.bincount(self.labels.cpu(), minlength=self.num_classes)

    def class_rows(self) -> list[Tensor]:
        """For every class its pool rows, ascending: C tensors ``(n_c,)`` of int64."""
        return rows_by_class(self.labels, self.num_classes)


def rows_by_class(labels: Tensor, num_classes: int) -> list[Tensor]:
    """For every class the rows that have its label, ascending: C tensors ``(n_c,)`` of int64.

    Args:
        labels: Class index of each row ``(N,)``, int64, in [0, C).
        num_classes: Number of classes C.

    >>> [rows.tolist() for rows in rows_by_class(torch.tensor([1, 0, 1]), 2)]
    [[1], [0, 2]]
    """
    labels = labels.cpu()
    counts = torch.bincount(labels, minlength=num_classes)
    return list(torch.split(torch.argsort(labels, stable=True), counts.tolist()))


def as_float64(vectors: Tensor) -> Tensor:
    """The same vectors on the CPU in float64, where all choices are made.

    Args:
        vectors: Any tensor; pass one chunk or one class at a time.
    """
    return vectors.detach().to("cpu", torch.float64)


def _check_unit_rows(name: str, vectors: Tensor) -> None:
    if vectors.ndim != 2 or 0 in vectors.shape or not vectors.is_floating_point():
        msg = (
            f"Expected {name} to be a non-empty floating tensor of shape (rows, dimension), "
            f"found shape {tuple(vectors.shape)} and dtype {vectors.dtype}; pass one row per vector."
        )
        raise SelectionError(msg)
    for start in range(0, len(vectors), _CHECK_ROWS):
        norms = torch.linalg.vector_norm(vectors[start : start + _CHECK_ROWS].float(), dim=1)
        wrong = torch.nonzero(~((norms - 1).abs() <= _NORM_TOLERANCE))  # NaN and inf land here as well
        if len(wrong):
            row = int(wrong[0])
            msg = (
                f"Expected {name} to hold finite unit vectors, found norm {float(norms[row]):.4g} "
                f"in row {start + row}; normalise the embeddings."
            )
            raise SelectionError(msg)


def _check_reference(reference: ReferenceEmbeddings, text_prototypes: Tensor) -> None:
    vectors, dim = reference.image_embeddings, text_prototypes.shape[1]
    _check_unit_rows("reference images", vectors)
    check_labels(reference.labels, len(vectors), len(text_prototypes))
    if vectors.shape[1] != dim:
        msg = (
            f"Expected reference images of dimension {dim} like the text prototypes', found "
            f"{vectors.shape[1]}; embed them with the same prior."
        )
        raise SelectionError(msg)


def check_labels(labels: Tensor, num_images: int, num_classes: int) -> None:
    """Refuse labels that are not one class index per image.

    Args:
        labels: Class index of each image.
        num_images: Number of images.
        num_classes: Number of classes C.

    Raises:
        SelectionError: If type, shape or a value is wrong.
    """
    if labels.dtype != torch.int64 or labels.shape != (num_images,):
        msg = (
            f"Expected labels to be int64 of shape ({num_images},), found {labels.dtype} of shape "
            f"{tuple(labels.shape)}; pass one class index per image."
        )
        raise SelectionError(msg)
    low, high = (int(labels.min()), int(labels.max())) if num_images else (0, 0)
    if low < 0 or high >= num_classes:
        msg = (
            f"Expected labels in [0, {num_classes}), found values from {low} to {high}; "
            "give every class of the pool a prototype."
        )
        raise SelectionError(msg)
