"""Stage-1 quality: relevance and separability of each image, combined within its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import Embeddings, PrototypeSource, class_prototypes
from semdd_lightning.selection.scores import (
    DEFAULT_CHUNK,
    Normalization,
    SeparabilityMode,
    check_choice,
    normalize,
    own_similarity,
    separability_of,
    similarity_blocks,
    warn_equal_prototypes,
)
from semdd_lightning.selection.ties import rounded


@dataclass(frozen=True)
class QualityRule:
    """How quality is formed: q_i = (1 - w) * norm(r)_i + w * norm(s)_i over the class, w the weight below.

    Args:
        separability_weight: w in [0, 1]; 0 is relevance alone.
        separability_mode: ``margin``, ``mean`` or ``posterior``.
        normalization: ``minmax``, ``zscore`` or ``rank``, within the class.
        prototypes: What scores are taken against, as in `class_prototypes`: ``text``, ``image`` or ``both``.

    Raises:
        SelectionError: If a value is out of range.
    """

    separability_weight: float = 0.5
    separability_mode: SeparabilityMode = "margin"
    normalization: Normalization = "minmax"
    prototypes: PrototypeSource = "text"

    def __post_init__(self) -> None:
        check_weight("separability_weight", self.separability_weight)
        check_choice("separability_mode", self.separability_mode, get_args(SeparabilityMode))
        check_choice("normalization", self.normalization, get_args(Normalization))
        check_choice("prototypes", self.prototypes, get_args(PrototypeSource))

    def __call__(self, relevance: Tensor, separability: Tensor | None) -> Tensor:
        """Quality of the images of one class, float64 ``(n_c,)``.

        Args:
            relevance: Class relevance ``(n_c,)``.
            separability: Class separability ``(n_c,)``; None if there is one class only, then relevance alone
                counts.
        """
        weight = self.separability_weight
        quality = normalize(relevance, self.normalization)
        if weight == 0 or separability is None:
            return quality
        return (1 - weight) * quality + weight * normalize(separability, self.normalization)


@dataclass(frozen=True, eq=False)
class ImageScores:
    """The scores of all pool images that do not depend on what is chosen.

    Args:
        class_relevance: r ``(N,)``, float64.
        class_separability: s ``(N,)``, float64; None if there is one class only.
        predicted: Zero-shot class index under the text prototypes ``(N,)``, int64.
    """

    class_relevance: Tensor
    class_separability: Tensor | None
    predicted: Tensor


def score_images(embeddings: Embeddings, rule: QualityRule, chunk: int = DEFAULT_CHUNK) -> ImageScores:
    """Score the pool in one chunked product ``(N, d) x (d, C)``.

    Prototypes other than the texts take a second product, since ``predicted`` is always zero-shot. Warns of
    classes whose image prototypes are equal; equal texts are found by the prior, which knows the names.

    Args:
        embeddings: The embedded pool.
        rule: Which prototypes and which separability.
        chunk: Rows computed at a time; changes nothing but memory.
    """
    num_images, num_classes = embeddings.num_images, embeddings.num_classes
    prototypes = class_prototypes(embeddings, rule.prototypes)
    if rule.prototypes != "text":
        warn_equal_prototypes(prototypes, chunk)
    relevance = torch.empty(num_images, dtype=torch.float64)
    separability = torch.empty(num_images, dtype=torch.float64) if num_classes > 1 else None
    predicted = torch.empty(num_images, dtype=torch.int64)
    for rows, similarity in similarity_blocks(embeddings.image_embeddings, prototypes, chunk):
        labels = embeddings.labels[rows]
        relevance[rows] = own_similarity(similarity, labels)
        if separability is not None:
            separability[rows] = separability_of(
                similarity, labels, rule.separability_mode, embeddings.logit_scale
            )
        if rule.prototypes == "text":
            predicted[rows] = rounded(similarity).argmax(dim=1)
    if rule.prototypes != "text":
        for rows, similarity in similarity_blocks(
            embeddings.image_embeddings, embeddings.text_prototypes, chunk
        ):
            predicted[rows] = rounded(similarity).argmax(dim=1)
    return ImageScores(relevance, separability, predicted)


def check_weight(name: str, value: float) -> None:
    """Refuse a weight outside [0, 1].

    Args:
        name: Parameter name, used in the error.
        value: The weight.

    Raises:
        SelectionError: If the weight is outside [0, 1] or not a number.
    """
    if not 0 <= value <= 1:
        msg = f"Expected {name} to be in [0, 1], found {value}; choose a share between the two scores."
        raise SelectionError(msg)
