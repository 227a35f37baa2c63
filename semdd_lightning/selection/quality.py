"""Stage-1 quality: relevance and separability of each image, combined within its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.class_threads import affordable, map_classes
from semdd_lightning.selection.embeddings import Embeddings, PrototypeSource, class_prototypes
from semdd_lightning.selection.normalization import Normalization, normalize
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.scores import (
    DEFAULT_CHUNK,
    ClassScores,
    SeparabilityMode,
    check_choice,
    warn_equal_prototypes,
)
from semdd_lightning.selection.scratch import Scratch


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
    """The scores of images that do not depend on what is chosen: those of a class, or of all the pool.

    Args:
        class_relevance: r ``(n,)``, float64.
        class_separability: s ``(n,)``, float64; None if there is one class only.
        predicted: Zero-shot class index under the text prototypes ``(n,)``, int64.
    """

    class_relevance: Tensor
    class_separability: Tensor | None
    predicted: Tensor


class PoolScorer:
    """Scores a pool class by class: together the chunked product ``(N, d) x (d, C)``.

    Prototypes other than the texts take a second product, since ``predicted`` is always zero-shot. Warns of
    classes whose image prototypes are equal; equal texts are found by the prior, which knows the names.

    Args:
        embeddings: The embedded pool.
        rule: Which prototypes and which separability.
        chunk: Images computed at a time; changes nothing but memory.
    """

    def __init__(self, embeddings: Embeddings, rule: QualityRule, chunk: int = DEFAULT_CHUNK) -> None:
        prototypes = class_prototypes(embeddings, rule.prototypes)
        if rule.prototypes != "text":
            warn_equal_prototypes(prototypes, chunk)
        self._rule = rule
        self._embeddings = embeddings.image_embeddings
        self._one_class = embeddings.num_classes == 1
        self._scratch = Scratch()
        scored = (prototypes,) if rule.prototypes == "text" else (prototypes, embeddings.text_prototypes)
        self._scores, *self._zero_shot = (
            ClassScores(one, rule.separability_mode, embeddings.logit_scale, chunk, self._scratch)
            for one in scored
        )

    def vectors(self, rows: Tensor) -> Tensor:
        """Image embeddings ``(n, d)`` in float64; a thread's next call takes their memory back.

        Args:
            rows: Pool rows ``(n,)``, int64, ascending, n >= 1.
        """
        first, last = int(rows[0]), int(rows[-1])
        if last - first + 1 == len(rows):  # ascending, so these are all rows between: no copy
            chosen = self._embeddings[first : last + 1]
        else:
            chosen = self._embeddings[rows.to(self._embeddings.device)]
        shape = tuple(chosen.shape)
        if chosen.dtype is torch.float16:  # faster in two steps than straight to float64
            chosen = self._scratch("half", shape, torch.float32).copy_(chosen)
        return self._scratch("vectors", shape, torch.float64).copy_(chosen)

    def scores(self, vectors: Tensor, class_index: int) -> ImageScores:
        """Scores of images of one class.

        Args:
            vectors: Their image embeddings ``(n, d)`` in float64.
            class_index: The class.
        """
        relevance, separability, predicted = self._scores(vectors, class_index)
        for zero_shot in self._zero_shot:
            _, _, predicted = zero_shot(vectors, class_index)
        return ImageScores(relevance, None if self._one_class else separability, predicted)

    def class_pool(self, class_index: int, rows: Tensor) -> ClassPool:
        """A class as samplers are shown it; a thread's next call takes the memory of its vectors back.

        Args:
            class_index: The class.
            rows: Its pool rows ``(n,)``, int64, ascending, n >= 1.
        """
        vectors = self.vectors(rows)
        scores = self.scores(vectors, class_index)
        return ClassPool(
            class_index=class_index,
            rows=rows,
            image_embeddings=vectors,
            class_relevance=scores.class_relevance,
            class_separability=scores.class_separability,
            predicted=scores.predicted,
            quality=self._rule(scores.class_relevance, scores.class_separability),
        )


def score_images(embeddings: Embeddings, rule: QualityRule, chunk: int = DEFAULT_CHUNK) -> ImageScores:
    """Scores of all the pool, as `PoolScorer` computes them.

    Args:
        embeddings: The embedded pool.
        rule: Which prototypes and which separability.
        chunk: Images computed at a time; changes nothing but memory.
    """
    scorer = PoolScorer(embeddings, rule, chunk)
    relevance, separability = torch.empty(2, embeddings.num_images, dtype=torch.float64)
    predicted = torch.empty(embeddings.num_images, dtype=torch.int64)

    def score(class_index: int, rows: Tensor) -> ImageScores | None:
        return scorer.scores(scorer.vectors(rows), class_index) if len(rows) else None

    class_rows = embeddings.class_rows()
    at_once = affordable(class_rows, embeddings.image_embeddings.shape[1])
    # entered here: a thread does not inherit the inference mode in which these tensors may have been made
    for rows, scores in zip(class_rows, map_classes(score, class_rows, at_once), strict=True):
        if scores is not None:
            relevance[rows], predicted[rows] = scores.class_relevance, scores.predicted
            if scores.class_separability is not None:
                separability[rows] = scores.class_separability
    return ImageScores(relevance, None if embeddings.num_classes == 1 else separability, predicted)


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
