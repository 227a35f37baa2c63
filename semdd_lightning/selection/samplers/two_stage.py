"""Semantic-aware sampling in two stages: a semantic filter, then dynamic diversity.

The two stages are those of "SAS: Semantic-aware Sampling for Generative Dataset Distillation" (arXiv
2605.18012); constants and exact formulas are this project's, each a parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import check_choice, check_share
from semdd_lightning.selection.picks import ClassPool, Picks, without
from semdd_lightning.selection.prototypes import PrototypeSource
from semdd_lightning.selection.quality import Normalization, normalize, normalize_array
from semdd_lightning.selection.quality_sampler import FilteringSampler
from semdd_lightning.selection.scores.of_networks import Learnability
from semdd_lightning.selection.scores.score import Score
from semdd_lightning.selection.ties import first_best

DiversityMode = Literal["nearest", "mean"]
_MATRIX_RATIO = 8  # candidates per pick; beyond, most of a matrix of all candidates would be left unused
_MATRIX_ROWS = 4096  # 128 MiB


def dynamic_diversity(
    image_embeddings: Tensor,
    quality: Tensor,
    ipc: int,
    diversity_weight: float = 0.5,
    diversity_mode: DiversityMode = "nearest",
    normalization: Normalization = "minmax",
    first: int = 0,
) -> tuple[Tensor, Tensor]:
    """Stage 2: pick greedily by quality and by diversity against what is picked already, O(ipc * K * d).

    The first pick has the highest q. Each later one has the highest (1 - w) * norm(q) + w * norm(D(S)) among
    the candidates left; norm(q) is taken once over the candidates, norm(D(S)) afresh over those left.

    Args:
        image_embeddings: Unit vectors of the candidates ``(K, d)``, float64, in path order.
        quality: q of the candidates ``(K,)``, float64.
        ipc: Images to pick, in [1, K].
        diversity_weight: w in [0, 1].
        diversity_mode: What D(S) of image i is: ``nearest``: 1 - max over j in S of <z_i, z_j>; ``mean``:
            1 - mean over j in S.
        normalization: ``minmax``, ``zscore`` or ``rank``.
        first: S starts with so many candidates, the first ones, <= ipc, in place of that of highest q; their
            values are NaN.

    Returns:
        Positions among the candidates in order of the picks ``(ipc,)``, and the values they were picked with
        ``(ipc,)``.

    Raises:
        SelectionError: If ipc is not in [1, K], or there is not one quality for each candidate.

    >>> z = torch.tensor([[1.0, 0.0], [0.96, 0.28], [0.0, 1.0]], dtype=torch.float64)
    >>> q = torch.tensor([1.0, 0.8, 0.4], dtype=torch.float64)
    >>> dynamic_diversity(z, q, 2, diversity_weight=0.0)[0].tolist()
    [0, 1]
    >>> dynamic_diversity(z, q, 2, diversity_weight=0.8)[0].tolist()
    [0, 2]
    """
    if not 1 <= ipc <= len(image_embeddings) or len(quality) != len(image_embeddings):
        msg = (
            f"Expected ipc from 1 to the number of candidates, and a quality for each, found ipc {ipc}, "
            f"{len(image_embeddings)} candidates and {len(quality)} qualities; keep more candidates."
        )
        raise SelectionError(msg)
    similarities = _similarities(image_embeddings, ipc)
    normalized_quality = normalize(quality, normalization).numpy()
    order = list(range(first)) or [first_best(quality)]
    values = [np.nan] * first or [float(normalized_quality[order[0]])]
    left = np.arange(len(quality))
    weighted_quality = (1 - diversity_weight) * normalized_quality
    similarity = np.full(len(quality), -np.inf if diversity_mode == "nearest" else 0.0)
    best = order[0]
    for size in range(1, ipc):
        left = _without(left, best)
        weighted_quality = _without(weighted_quality, best)
        similarity = _without(similarity, best)
        if diversity_mode == "nearest":
            np.maximum(similarity, similarities(order[size - 1])[left], out=similarity)
            diversity = 1 - similarity
        else:
            similarity += similarities(order[size - 1])[left]
            diversity = 1 - similarity / size
        if size < first:
            best = 0  # the next of them leads those that are left
            continue
        value = weighted_quality + diversity_weight * normalize_array(diversity, normalization)
        best = first_best(value)
        order.append(int(left[best]))
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


@dataclass(frozen=True, kw_only=True)
class TwoStage(FilteringSampler):
    """Semantic-aware sampling: keep the images that show their class best, pick a diverse set among them.

    Parameters are those of `FilteringSampler`, and:

    Args:
        diversity_weight: Weight of diversity against quality in stage 2, in [0, 1]; ``auto``: 0.2 up to 10
            images per class, 0.5 from 50 on, between them by the logarithm.
        diversity_mode: ``nearest`` (to the nearest picked image) or ``mean`` (to all picked images).

    Raises:
        SelectionError: If a value is out of range.
    """

    name: ClassVar[str] = "two_stage"
    meaning: ClassVar[str] = "the best by quality, a diverse set of them"
    automatic: ClassVar[dict[str, tuple[float, float]]] = {
        **FilteringSampler.automatic,
        "diversity_weight": (0.2, 0.5),
    }

    diversity_weight: float | Literal["auto"] = "auto"
    diversity_mode: DiversityMode = "nearest"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.diversity_weight != "auto":
            check_share("diversity_weight", self.diversity_weight)
        check_choice("diversity_mode", self.diversity_mode, get_args(DiversityMode))

    @staticmethod
    def classic() -> TwoStageClassic:
        """The defaults of the first release."""
        return TwoStageClassic()

    def pick_among(
        self, pool: ClassPool, candidates: Tensor, ipc: int, seed: int, first: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Pick by quality and diversity in one class, behind so many of the candidates."""
        return dynamic_diversity(
            pool.image_embeddings[candidates],
            pool.quality[candidates],
            ipc,
            float(self.resolved(ipc).diversity_weight),
            self.diversity_mode,
            self.normalization,
            first,
        )

    def pick_beside(self, pool: ClassPool, pinned: Tensor, ipc: int, seed: int) -> Picks:
        """Filter the others of one class, and pick with S starting as the images that people chose."""
        others = without(len(pool), pinned)
        candidates, order = self.candidates(pool.take(others), ipc - len(pinned))
        among = torch.cat([pinned, others[candidates]])
        picked, values = self.pick_among(pool, among, ipc, seed, first=len(pinned))
        ranking = torch.cat([pinned, others[order]])
        return Picks(among[picked], values, ranking=ranking, kept=len(among), pinned=len(pinned))


@dataclass(frozen=True, kw_only=True)
class TwoStageClassic(TwoStage):
    """Two-stage sampling with the defaults of the first release: text prototypes, ratio 3, diversity 0.5."""

    name: ClassVar[str] = "two_stage_classic"
    meaning: ClassVar[str] = "two_stage with the defaults of the first release"

    candidate_ratio: float | Literal["auto"] = 3.0
    diversity_weight: float | Literal["auto"] = 0.5
    prototypes: PrototypeSource = "text"


@dataclass(frozen=True, kw_only=True)
class Learnable(TwoStage):
    """Two-stage sampling whose quality holds what a small student learns early of the pool.

    Parameters are those of `TwoStage`, and:

    Args:
        learnability_weight: Weight of `learnability` in quality, in [0, 1]; the other scores share the rest.
            ``auto``: 0.5 up to 10 images per class, 0.25 from 50 on, between them by the logarithm.

    Raises:
        SelectionError: If a value is out of range, or ``scores`` weigh `learnability` as well.
    """

    name: ClassVar[str] = "learnable"
    meaning: ClassVar[str] = "two_stage, by what a small student learns early as well"
    automatic: ClassVar[dict[str, tuple[float, float]]] = {
        **TwoStage.automatic,
        "learnability_weight": (0.5, 0.25),
    }

    learnability_weight: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if self.learnability_weight != "auto":
            check_share("learnability_weight", self.learnability_weight)
        super().__post_init__()
        if any(isinstance(score, Learnability) for score, _ in super().weighted_scores):
            msg = (
                "Expected scores beside learnability, which learnability_weight weighs, found "
                f"{self.scores}; leave it out, or give these scores to two_stage."
            )
            raise SelectionError(msg)

    @property
    def weighted_scores(self) -> list[tuple[Score, float]]:
        """The scores that count, each with its weight; ``auto`` stands for that of few images per class."""
        few, _ = self.automatic["learnability_weight"]
        share = few if self.learnability_weight == "auto" else self.learnability_weight
        weighted = [(score, (1 - share) * weight) for score, weight in super().weighted_scores]
        return [pair for pair in (*weighted, (Learnability(), share)) if pair[1] > 0]
