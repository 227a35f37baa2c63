"""Semantic-aware sampling in two stages: a semantic filter, then dynamic diversity.

The two stages are those of "SAS: Semantic-aware Sampling for Generative Dataset Distillation" (arXiv
2605.18012); constants and exact formulas are this project's, each a parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import PrototypeSource
from semdd_lightning.selection.normalization import Normalization, normalize, normalize_array
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.quality import check_weight
from semdd_lightning.selection.quality_sampler import QualitySampler
from semdd_lightning.selection.scores import DiversityMode, SeparabilityMode, check_choice
from semdd_lightning.selection.ties import first_best, ranking

_MATRIX_RATIO = 8  # candidates a pick; beyond, most of a matrix of all candidates would be left unused
_MATRIX_ROWS = 4096  # 128 MiB


def candidate_count(num_images: int, ipc: int, ratio: float = 3.0, count: int | None = None) -> int:
    """Number of candidates K that stage 1 keeps of a class: min(n_c, ceil(ratio * ipc)), or min(n_c, count).

    The product is taken in decimal arithmetic: in binary, 2.2 * 50 would be a little more than 110.

    Args:
        num_images: Images of the class n_c.
        ipc: Images per class.
        ratio: Candidates per image kept, >= 1.
        count: Candidates per class given directly; the ratio is then unused.

    >>> candidate_count(1000, 50, ratio=2.2)
    110
    """
    if count is not None:
        return min(num_images, count)
    wanted = (Decimal(str(ratio)) * ipc).to_integral_value(rounding=ROUND_CEILING)
    return min(num_images, int(wanted))


def semantic_filter(quality: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """Stage 1: the images of highest quality, and the ranking they came from.

    Args:
        quality: q of the images of one class ``(n_c,)``.
        kept: Number of candidates K, in [1, n_c].

    Returns:
        Positions of the candidates, ascending ``(K,)``, and all positions from best to worst ``(n_c,)``.

    >>> candidates, order = semantic_filter(torch.tensor([0.1, 0.9, 0.5], dtype=torch.float64), 2)
    >>> candidates.tolist(), order.tolist()
    ([1, 2], [1, 2, 0])
    """
    order = ranking(quality)
    return order[:kept].sort().values, order


def dynamic_diversity(
    image_embeddings: Tensor,
    quality: Tensor,
    ipc: int,
    diversity_weight: float = 0.5,
    diversity_mode: DiversityMode = "nearest",
    normalization: Normalization = "minmax",
) -> tuple[Tensor, Tensor]:
    """Stage 2: pick greedily by quality and by diversity against what is picked already, O(ipc * K * d).

    The first pick has the highest q. Each later one has the highest (1 - w) * norm(q) + w * norm(D(S)) among
    the candidates left; norm(q) is taken once over the candidates, norm(D(S)) afresh over those left.

    Args:
        image_embeddings: Unit vectors of the candidates ``(K, d)``, float64, in path order.
        quality: q of the candidates ``(K,)``, float64.
        ipc: Images to pick, in [1, K].
        diversity_weight: w in [0, 1].
        diversity_mode: ``nearest`` or ``mean``; see `set_diversity`.
        normalization: ``minmax``, ``zscore`` or ``rank``.

    Returns:
        Positions among the candidates in order of the picks ``(ipc,)``, and the values they were picked with
        ``(ipc,)``.

    >>> z = torch.tensor([[1.0, 0.0], [0.96, 0.28], [0.0, 1.0]], dtype=torch.float64)
    >>> q = torch.tensor([1.0, 0.8, 0.4], dtype=torch.float64)
    >>> dynamic_diversity(z, q, 2, diversity_weight=0.0)[0].tolist()
    [0, 1]
    >>> dynamic_diversity(z, q, 2, diversity_weight=0.8)[0].tolist()
    [0, 2]
    """
    similarities = _similarities(image_embeddings, ipc)
    normalized_quality = normalize(quality, normalization).numpy()
    picked = first_best(quality)
    order, values = [picked], [float(normalized_quality[picked])]
    left = np.arange(len(quality))
    weighted_quality = (1 - diversity_weight) * normalized_quality
    similarity = np.full(len(quality), -np.inf if diversity_mode == "nearest" else 0.0)
    best = picked
    for size in range(1, ipc):
        left = _without(left, best)
        weighted_quality = _without(weighted_quality, best)
        similarity = _without(similarity, best)
        if diversity_mode == "nearest":
            np.maximum(similarity, similarities(picked)[left], out=similarity)
            diversity = 1 - similarity
        else:
            similarity += similarities(picked)[left]
            diversity = 1 - similarity / size
        value = weighted_quality + diversity_weight * normalize_array(diversity, normalization)
        best = first_best(value)
        picked = int(left[best])
        order.append(picked)
        values.append(float(value[best]))
    return torch.tensor(order), torch.tensor(values, dtype=torch.float64)


def _without(column: NDArray[Any], position: int) -> NDArray[Any]:
    """The column with one entry less, in its own memory."""
    column[position:-1] = column[position + 1 :]
    return column[:-1]


def _similarities(image_embeddings: Tensor, ipc: int) -> Callable[[int], NDArray[np.float64]]:
    """Gives a candidate's inner products with all ``(K,)``: one matrix product where most of it is used."""
    if len(image_embeddings) <= min(_MATRIX_RATIO * ipc, _MATRIX_ROWS):
        matrix = torch.mm(image_embeddings, image_embeddings.T).numpy()
        return lambda picked: matrix[picked]
    return lambda picked: torch.mv(image_embeddings, image_embeddings[picked]).numpy()


@dataclass(frozen=True)
class TwoStage(QualitySampler):
    """Semantic-aware sampling: keep the images that show their class best, pick a diverse set among them.

    Args:
        candidate_ratio: Candidates kept by stage 1 for each image picked, >= 1.
        candidates_per_class: Number of candidates of a class, >= ipc, in place of the ratio.
        separability_weight: Weight of separability against relevance in stage 1, in [0, 1].
        diversity_weight: Weight of diversity against quality in stage 2, in [0, 1].
        separability_mode: ``margin`` (to the next class), ``mean`` (to all others) or ``posterior``.
        diversity_mode: ``nearest`` (to the nearest picked image) or ``mean`` (to all picked images).
        normalization: ``minmax``, ``zscore`` or ``rank``: how scores are made comparable within a class.
        prototypes: ``text`` (prompts), ``image`` (class means of a reference set, else the pool) or ``both``.

    Raises:
        SelectionError: If a value is out of range.
    """

    name: ClassVar[str] = "two_stage"

    candidate_ratio: float = 3.0
    candidates_per_class: int | None = None
    separability_weight: float = 0.5
    diversity_weight: float = 0.5
    separability_mode: SeparabilityMode = "margin"
    diversity_mode: DiversityMode = "nearest"
    normalization: Normalization = "minmax"
    prototypes: PrototypeSource = "text"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.candidate_ratio) and self.candidate_ratio >= 1):
            msg = (
                f"Expected candidate_ratio to be finite and at least 1, found {self.candidate_ratio}; "
                "1 keeps exactly the images of highest quality."
            )
            raise SelectionError(msg)
        if self.candidates_per_class is not None and self.candidates_per_class < 1:
            msg = (
                f"Expected candidates_per_class to be at least 1, found {self.candidates_per_class}; "
                "choose a count of at least ipc, or leave it out."
            )
            raise SelectionError(msg)
        check_weight("diversity_weight", self.diversity_weight)
        check_choice("diversity_mode", self.diversity_mode, get_args(DiversityMode))
        _ = self.quality_rule  # its constructor checks the other parameters

    def check(self, num_classes: int, ipc: int) -> None:
        """Check that there are classes to separate and candidates enough.

        Args:
            num_classes: Number of classes C.
            ipc: Images per class.

        Raises:
            SelectionError: If separability is asked for with one class, or there are fewer candidates than
                ``ipc``.
        """
        super().check(num_classes, ipc)
        if self.candidates_per_class is not None and self.candidates_per_class < ipc:
            msg = (
                f"Expected candidates_per_class to be at least ipc = {ipc}, found "
                f"{self.candidates_per_class}; raise it or lower ipc."
            )
            raise SelectionError(msg)

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Filter and pick the images of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        kept = candidate_count(len(pool), ipc, self.candidate_ratio, self.candidates_per_class)
        candidates, order = semantic_filter(pool.quality, kept)
        picked, values = dynamic_diversity(
            pool.image_embeddings[candidates],
            pool.quality[candidates],
            ipc,
            self.diversity_weight,
            self.diversity_mode,
            self.normalization,
        )
        return Picks(candidates[picked], values, ranking=order, kept=kept)
