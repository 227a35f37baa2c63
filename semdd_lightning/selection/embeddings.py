"""What a sampler sees of a pool: image embeddings, labels and one prototype per class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError

PrototypeSource = Literal["text", "image", "both"]

_NORM_TOLERANCE = 1e-2  # wide enough for bfloat16 vectors, narrow enough to catch a forgotten normalisation
_CHECK_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embedded pool, rows in the order of the images' sorted relative paths.

    Args:
        image_embeddings: Unit vectors ``(N, d)``, any floating dtype, any device.
        labels: Class index of each image ``(N,)``, int64, in [0, C).
        text_prototypes: One unit vector per class ``(C, d)``.
        logit_scale: Factor from cosines to logits, the exponential already applied; > 0.
        reference_prototypes: One unit vector per class ``(C, d)`` from the images of a reference set, as
            `image_prototypes` gives them; where absent, image prototypes are the class means of the pool.

    Raises:
        SelectionError: If shapes, dtypes, norms or labels are not as above.
    """

    image_embeddings: Tensor
    labels: Tensor
    text_prototypes: Tensor
    logit_scale: float = 100.0
    reference_prototypes: Tensor | None = None

    def __post_init__(self) -> None:
        _check_unit_rows("image_embeddings", self.image_embeddings)
        _check_unit_rows("text_prototypes", self.text_prototypes)
        _check_labels(self.labels, len(self.image_embeddings), self.num_classes)
        dim, prototype_dim = self.image_embeddings.shape[1], self.text_prototypes.shape[1]
        if dim != prototype_dim:
            msg = (
                f"Expected text_prototypes of dimension {dim} like the images', found {prototype_dim}; "
                "embed images and prompts with the same prior."
            )
            raise SelectionError(msg)
        if self.reference_prototypes is not None:
            _check_unit_rows("reference_prototypes", self.reference_prototypes)
            if self.reference_prototypes.shape != self.text_prototypes.shape:
                msg = (
                    f"Expected reference_prototypes of shape {tuple(self.text_prototypes.shape)} like the "
                    f"text prototypes', found {tuple(self.reference_prototypes.shape)}; embed the reference "
                    "set with the same prior, in the classes of the pool."
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
    _check_labels(labels, len(image_embeddings), num_classes)
    means = torch.zeros(num_classes, image_embeddings.shape[1], dtype=torch.float64)
    for class_index, rows in enumerate(rows_by_class(labels, num_classes)):
        if len(rows) == 0:
            msg = (
                f"Expected at least 1 image of class {class_index} for its image prototype, found 0; "
                "add images or use prototypes='text'."
            )
            raise SelectionError(msg)
        means[class_index] = as_float64(image_embeddings[rows.to(image_embeddings.device)]).mean(dim=0)
    return _normalized(means, "image")


def class_prototypes(embeddings: Embeddings, source: PrototypeSource = "text") -> Tensor:
    """The prototypes ``(C, d)`` in float64 that class scores are taken against.

    Args:
        embeddings: The embedded pool.
        source: ``text``: the text prototypes; ``image``: the reference prototypes where given, else
            normalised class means of the pool's image embeddings; ``both``: the normalised sum of the two.

    Raises:
        SelectionError: If a prototype cannot be formed, or the source is unknown.
    """
    text = as_float64(embeddings.text_prototypes)
    if source == "text":
        return text
    if embeddings.reference_prototypes is not None:
        image = as_float64(embeddings.reference_prototypes)
    else:
        image = image_prototypes(embeddings.image_embeddings, embeddings.labels, embeddings.num_classes)
    if source == "image":
        return image
    if source == "both":
        return _normalized(text + image, "summed")
    msg = f"Expected prototypes to be one of text, image, both, found {source!r}; choose one of them."
    raise SelectionError(msg)


def _normalized(vectors: Tensor, kind: str) -> Tensor:
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


def _check_labels(labels: Tensor, num_images: int, num_classes: int) -> None:
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
