"""A pool under several priors: their scores and distances, averaged once they are comparable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from semdd_lightning.selection.embeddings import Embeddings, as_float64
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.pool_scorer import PoolScorer
from semdd_lightning.selection.quality import CONSTANT_RANGE, QualityRule, normalize
from semdd_lightning.selection.scores.of_prototypes import ClassRelevance


class SeveralPriorsScorer:
    """Scores a pool class by class under each of its priors, and gives samplers one view of all.

    Quality is the mean of the qualities under each prior, so every score is made comparable within the class
    first. So are the scores that a sampler or table sees, except probabilities, which are averaged as they
    are, and similarities of images, whose mean is weighted as that of distances. Images are vectors in which
    the priors' stand side by side, such that 1 - cosine is the weighted mean of their distances. The
    zero-shot class and the prototypes are those of the pool's own vectors, by which a logit is the mean of
    the priors' logits.

    Args:
        embeddings: The embedded pool, with several `parts`.
        rule: Which prototypes, and how quality is formed.
        ipc: Images per class that will be chosen.
        further: Names of scores to compute beside relevance, separability and those of the rule.
    """

    def __init__(
        self, embeddings: Embeddings, rule: QualityRule, ipc: int, further: Iterable[str] = ()
    ) -> None:
        further = tuple(further)
        self._parts = [PoolScorer(part, rule, ipc, further) for part in embeddings.parts]
        by_text = QualityRule(prototypes="text", scores={ClassRelevance.name: 1.0})
        self._all = PoolScorer(embeddings, by_text, ipc)
        self._normalization = rule.normalization
        self._scores = {name: rule.score(name) for name in self.score_names}

    @property
    def score_names(self) -> list[str]:
        """Names of the scores that every class gets."""
        return self._parts[0].score_names

    def class_pool(self, class_index: int, rows: Tensor) -> ClassPool:
        """A class as samplers are shown it.

        Args:
            class_index: The class.
            rows: Its pool rows ``(n,)``, int64, ascending, n >= 1.
        """
        pools = [part.class_pool(class_index, rows) for part in self._parts]
        shares = distance_shares([pool.image_embeddings for pool in pools])
        real = [pool.reference for pool in pools if pool.reference is not None]
        return replace(
            self._all.class_pool(class_index, rows),
            image_embeddings=side_by_side([pool.image_embeddings for pool in pools], shares),
            reference=side_by_side(real, shares) if real else None,
            scores={name: self._mean(name, pools, shares) for name in self.score_names},
            quality=torch.stack([pool.quality for pool in pools]).mean(dim=0),
        )

    def _mean(self, name: str, pools: Sequence[ClassPool], shares: Sequence[float]) -> Tensor:
        columns = [pool.scores[name] for pool in pools]
        if self._scores[name].is_similarity:
            return torch.stack([s * column for s, column in zip(shares, columns, strict=True)]).sum(dim=0)
        if not self._scores[name].is_probability:
            columns = [normalize(column, self._normalization) for column in columns]
        return torch.stack(columns).mean(dim=0)


def distance_shares(parts: Sequence[Tensor]) -> list[float]:
    """Share of each prior in the distances of a class: w_p / sum w, w_p = 1 / mean pairwise distance.

    So no prior outweighs another because its vectors lie further apart. One that sees no distances at all has
    no share, unless none sees any.

    Args:
        parts: Unit vectors of the class under each prior ``(n, d_p)``.

    >>> near, far = torch.tensor([[1.0, 0.0], [0.8, 0.6]]), torch.eye(2)
    >>> [round(share, 4) for share in distance_shares([near, far])]
    [0.8333, 0.1667]
    """
    distances = [mean_pairwise_distance(part) for part in parts]
    weights = [1 / distance if distance > CONSTANT_RANGE else 0.0 for distance in distances]
    total = sum(weights)
    return [weight / total for weight in weights] if total > 0 else [1 / len(parts)] * len(parts)


def mean_pairwise_distance(image_embeddings: Tensor) -> float:
    """Mean of 1 - cosine over all distinct pairs, in O(m * d); NaN for fewer than two images.

    Args:
        image_embeddings: Unit vectors ``(m, d)``.

    >>> round(mean_pairwise_distance(torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])), 6)
    0.533333
    """
    size = len(image_embeddings)
    if size < 2:
        return float("nan")
    vectors = as_float64(image_embeddings)
    # |sum z|^2 is the sum of all <z_i, z_j>
    both_orders = vectors.sum(dim=0).square().sum() - vectors.square().sum()
    return 1 - float(both_orders) / (size * (size - 1))


def side_by_side(parts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """One unit vector per image, whose products are the weighted means of the priors' ``(n, sum of d_p)``.

    Args:
        parts: Unit vectors under each prior ``(n, d_p)``.
        shares: Weight of each prior, >= 0, adding up to 1.

    >>> one, other = torch.ones(1, 1).double(), torch.tensor([[0.6, 0.8]]).double()
    >>> side_by_side([one, other], [0.36, 0.64]).round(decimals=6).tolist()
    [[0.6, 0.48, 0.64]]
    """
    return torch.cat([share**0.5 * part for part, share in zip(parts, shares, strict=True)], dim=1)
