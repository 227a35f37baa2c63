"""Scores a pool class by class, against prototypes that may come from a first look at the pool."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from semdd_lightning.selection.checks import ceil_of_product
from semdd_lightning.selection.embeddings import Embeddings, as_float64
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.pieces import DEFAULT_CHUNK, Scratch, map_pool
from semdd_lightning.selection.prototypes import (
    ClassSimilarities,
    Similarities,
    class_prototypes,
    normalized,
    warn_equal_prototypes,
)
from semdd_lightning.selection.quality import QualityRule
from semdd_lightning.selection.scores.of_prototypes import ClassRelevance, ClassSeparability
from semdd_lightning.selection.scores.score import ClassImages
from semdd_lightning.selection.ties import ranking


class PoolScorer:
    """Scores a pool class by class: together the chunked product ``(N, d) x (d, C)``.

    Prototypes other than the texts take a second product, since ``predicted`` is always zero-shot. Warns of
    classes whose image prototypes are equal; equal texts are found by the prior, which knows the names.

    Args:
        embeddings: The embedded pool.
        rule: Which prototypes, and how quality is formed.
        ipc: Images per class that will be chosen; refined prototypes are the mean of at least as many.
        further: Names of scores to compute beside relevance, separability and those of the rule.
        chunk: Images computed at a time; changes nothing but memory.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        rule: QualityRule,
        ipc: int,
        further: Iterable[str] = (),
        chunk: int = DEFAULT_CHUNK,
    ) -> None:
        self._embeddings, self._rule, self._ipc, self._chunk = embeddings, rule, ipc, chunk
        self._scratch = Scratch()
        real = embeddings.reference
        self._real = [] if real is None else real.by_class(embeddings.num_classes)
        basic = [ClassRelevance.name, ClassSeparability.name][: min(embeddings.num_classes, 2)]
        weighted = [score for score, _ in rule.weighted_scores]
        asked = [rule.score(name) for name in (*basic, *further)]
        self._scores = {score.name: score for score in (*asked, *weighted)}
        self._text = ClassSimilarities(embeddings.text_prototypes, chunk, self._scratch)
        self._predicted: Tensor | None = None
        self._similarities = self._text
        if rule.prototypes != "text":
            refined = rule.prototypes == "refined"
            prototypes = self._refined() if refined else class_prototypes(embeddings, rule.prototypes)
            warn_equal_prototypes(prototypes, chunk)
            self._similarities = ClassSimilarities(prototypes, chunk, self._scratch)

    @property
    def prototypes(self) -> Tensor:
        """The prototypes that scores are taken against ``(C, d)``, float64."""
        return self._similarities.prototypes

    @property
    def score_names(self) -> list[str]:
        """Names of the scores that every class gets."""
        return list(self._scores)

    def class_pool(self, class_index: int, rows: Tensor) -> ClassPool:
        """A class as samplers are shown it; nothing of it is used again.

        Args:
            class_index: The class.
            rows: Its pool rows ``(n,)``, int64, ascending, n >= 1.
        """
        vectors = as_float64(self._stored(rows))  # memory of its own: a sampler may keep it
        similarities = self._similarities(vectors, class_index)
        images = self._images(class_index, rows, vectors, similarities)
        scores = {name: score.checked(images) for name, score in self._scores.items()}
        return ClassPool(
            **vars(images),
            rows=rows,
            predicted=self._zero_shot(class_index, rows, vectors, similarities),
            scores=scores,
            quality=self._rule.quality(scores),
        )

    def _refined(self) -> Tensor:
        """Of each class the normalised mean of the images that are best by text, the text added by weight."""
        embeddings, rule = self._embeddings, self._rule
        # made before the first class: small results between freed megabytes would keep these from being used
        means = self._text.prototypes.clone()
        predicted = torch.empty(embeddings.num_images, dtype=torch.int64)

        def keep_mean_of_best(class_index: int, rows: Tensor) -> None:
            if len(rows) == 0:
                return
            stored = self._stored(rows)
            vectors = self._scratch("vectors", tuple(stored.shape), torch.float64).copy_(stored)
            similarities = self._text(vectors, class_index)
            images = self._images(class_index, rows, vectors, similarities)
            quality = rule.quality({score.name: score.checked(images) for score, _ in rule.weighted_scores})
            count = max(ceil_of_product(rule.refined_share, len(rows)), min(len(rows), self._ipc))
            means[class_index] = vectors[ranking(quality)[:count]].mean(dim=0)
            predicted[rows] = similarities.predicted

        map_pool(keep_mean_of_best, embeddings)
        self._predicted = predicted
        means = normalized(means, "refined")
        return normalized(means + rule.text_weight * self._text.prototypes, "refined")

    def _stored(self, rows: Tensor) -> Tensor:
        """Image embeddings ``(n, d)`` as the pool has them; half precision as float32, which is faster."""
        stored = self._embeddings.image_embeddings
        first, last = int(rows[0]), int(rows[-1])
        # ascending: where these are all rows between, no copy is needed
        whole = last - first + 1 == len(rows)
        chosen = stored[first : last + 1] if whole else stored[rows.to(stored.device)]
        return chosen.float() if chosen.dtype is torch.float16 else chosen

    def _zero_shot(
        self, class_index: int, rows: Tensor, vectors: Tensor, similarities: Similarities
    ) -> Tensor:
        if self._predicted is not None:
            return self._predicted[rows]
        if self._similarities is self._text:
            return similarities.predicted
        return self._text(vectors, class_index).predicted

    def _images(
        self, class_index: int, rows: Tensor, vectors: Tensor, similarities: Similarities
    ) -> ClassImages:
        classifier = self._embeddings.classifier
        learning = self._embeddings.learning
        real = self._real[class_index] if self._real else None
        return ClassImages(
            class_index=class_index,
            image_embeddings=vectors,
            own=similarities.own,
            rival=similarities.rival,
            prototypes=self._similarities.prototypes,
            text_prototypes=self._text.prototypes,
            logit_scale=self._embeddings.logit_scale,
            reference=None if real is None else as_float64(real.image_embeddings),
            classifier=None if classifier is None else classifier.rows(rows),
            reference_classifier=None if real is None else real.classifier,
            learning=None if learning is None else learning[rows],
        )
