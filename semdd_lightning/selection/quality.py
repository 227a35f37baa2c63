"""Stage-1 quality: a weighted mean of scores that were made comparable within their class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import check_choice, check_share, is_number
from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.prototypes import PrototypeSource
from semdd_lightning.selection.scores import SCORES
from semdd_lightning.selection.scores.of_prototypes import ClassRelevance, ClassSeparability, SeparabilityMode
from semdd_lightning.selection.scores.score import Need, Score
from semdd_lightning.selection.ties import DECIMALS

Normalization = Literal["minmax", "zscore", "rank"]
CONSTANT_RANGE = 1e-6  # a score that varies by no more than this says nothing about the class


@dataclass(frozen=True, kw_only=True)
class QualityRule:
    """How quality is formed: q_i, the weighted mean over scores of norm(score)_i, norm taken over the class.

    Args:
        separability_weight: Weight w of separability, in [0, 1]; relevance has 1 - w. Unused where ``scores``
            are given.
        separability_mode: Separability as ``margin`` (lead over the next class), ``mean`` (over the mean of
            the others) or ``posterior`` (log softmax).
        normalization: ``minmax``, ``zscore`` or ``rank``: how scores are made comparable within a class.
        prototypes: What relevance and separability are taken against: ``text`` (prompts), ``image`` (class
            means of the pool), ``reference`` (class means of real images), ``both`` (the sum of text and
            image, or reference) or ``refined`` (mean of the images of a class that are best by ``text``).
        refined_share: Share of a class that refined prototypes are the mean of, in (0, 1]; at least ipc
            images.
        text_weight: Weight of the text prototype in a refined one, >= 0.
        scores: Weight of each score by name, in place of relevance and separability; a name is a short name
            or the path of a class.

    Raises:
        SelectionError: If a value is out of range, or there is no such score.
    """

    separability_weight: float = 0.5
    separability_mode: SeparabilityMode = "margin"
    normalization: Normalization = "minmax"
    prototypes: PrototypeSource = "refined"
    refined_share: float = 0.5
    text_weight: float = 0.0
    scores: dict[str, float] | None = None

    def __post_init__(self) -> None:
        check_share("separability_weight", self.separability_weight)
        check_share("refined_share", self.refined_share)
        check_choice("separability_mode", self.separability_mode, get_args(SeparabilityMode))
        check_choice("normalization", self.normalization, get_args(Normalization))
        check_choice("prototypes", self.prototypes, get_args(PrototypeSource))
        if self.refined_share == 0 or not is_number(self.text_weight, 0):
            msg = (
                f"Expected refined_share > 0 and text_weight finite and >= 0, found {self.refined_share} and "
                f"{self.text_weight}; 0.5 and 0 are the defaults."
            )
            raise SelectionError(msg)
        weights = {"": 1.0} if self.scores is None else self.scores
        given = list(weights.values()) if isinstance(weights, Mapping) else []
        if not all(is_number(weight, 0) for weight in given) or not any(given):
            msg = (
                f"Expected scores to have weights >= 0, one of them above, found {self.scores}; give each "
                "score that counts a positive weight."
            )
            raise SelectionError(msg)
        kinds = {type(score) for score, _ in self.weighted_scores}
        if len(kinds) > len({kind.name for kind in kinds}):
            msg = f"Expected scores with different names, found {self.scores}; rename one of the classes."
            raise SelectionError(msg)

    @property
    def weighted_scores(self) -> list[tuple[Score, float]]:
        """The scores that count, each with its weight; weights add up to 1."""
        given = self.scores
        if given is None:
            given = {
                ClassRelevance.name: 1 - self.separability_weight,
                ClassSeparability.name: self.separability_weight,
            }
        total = sum(given.values())
        return [(self.score(name), weight / total) for name, weight in given.items() if weight > 0]

    @property
    def rule_needs(self) -> frozenset[Need]:
        """What the scores that count cannot be computed without."""
        return frozenset().union(*(score.needs for score, _ in self.weighted_scores))

    def score(self, name: str) -> Score:
        """A score, with this rule's mode if it is separability.

        Args:
            name: A short name, or the path of a class.
        """
        if name == ClassSeparability.name:
            return ClassSeparability(self.separability_mode)
        return SCORES.build(name)

    def quality(self, scores: Mapping[str, Tensor]) -> Tensor:
        """Quality of the images of one class, float64 ``(n_c,)``.

        Args:
            scores: By name, the scores of the images ``(n_c,)``; those that count are among them.
        """
        parts = [
            weight * normalize(scores[score.name], self.normalization)
            for score, weight in self.weighted_scores
        ]
        return sum(parts[1:], start=parts[0])


def normalize(values: Tensor, method: Normalization = "minmax") -> Tensor:
    """Make the scores of one class comparable, float64 ``(n,)``.

    Args:
        values: One score of the images of one class ``(n,)``, n >= 1.
        method: ``minmax`` to [0, 1]; ``zscore`` with ddof 0; ``rank``: (average rank - 1) / (n - 1), values
            compared after rounding to 1e-9. A range of at most 1e-6 is constant and gives 0.5 (minmax, rank)
            or 0 (zscore).

    Raises:
        SelectionError: If there is no value, or the method is unknown.

    >>> normalize(torch.tensor([2.0, 4.0, 3.0])).tolist()
    [0.0, 1.0, 0.5]
    >>> normalize(torch.tensor([7.0, 7.0]), "zscore").tolist()
    [0.0, 0.0]
    """
    check_choice("normalization", method, get_args(Normalization))
    if len(values) == 0:
        msg = "Expected at least 1 value to normalise, found 0; pass the scores of a class that has images."
        raise SelectionError(msg)
    return torch.from_numpy(normalize_array(as_float64(values).numpy(), method))


def normalize_array(values: NDArray[np.float64], method: Normalization) -> NDArray[np.float64]:
    """`normalize` without its checks, for what is normalised again after every pick.

    Args:
        values: One score of the images of one class ``(n,)``, n >= 1.
        method: ``minmax``, ``zscore`` or ``rank``.
    """
    low = float(values.min())
    extent = float(values.max()) - low
    if extent <= CONSTANT_RANGE:
        return np.full_like(values, 0.0 if method == "zscore" else 0.5)
    if method == "minmax":
        return (values - low) / extent
    if method == "zscore":
        return (values - float(values.mean())) / float(values.std())
    ranks: NDArray[np.float64] = rankdata(values.round(DECIMALS), method="average")
    return (ranks - 1) / (len(values) - 1)
