"""What samplers share that choose by quality, and those that filter by it first."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import ceil_of_product, is_number, whole_number
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.quality import QualityRule
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.scores.score import Need
from semdd_lightning.selection.ties import ranking


@dataclass(frozen=True, kw_only=True)
class QualitySampler(QualityRule, Sampler):
    """A sampler that has the parameters of a `QualityRule`, and is one."""

    @property
    def quality_rule(self) -> QualityRule:
        """Quality by this sampler's parameters."""
        return self

    @property
    def all_needs(self) -> frozenset[Need]:
        """What neither the sampler nor the scores that it weighs can do without."""
        return self.needs | self.rule_needs


@dataclass(frozen=True, kw_only=True)
class FilteringSampler(QualitySampler):
    """A sampler that keeps candidates by quality first, and picks among them.

    Parameters are those of `QualityRule`, and:

    Args:
        candidate_ratio: Candidates kept by stage 1 for each image picked, >= 1; ``auto``: 2 up to 10 images
            per class, 3 from 50 on, between them by the logarithm.
        candidates_per_class: Number of candidates of a class, >= ipc, in place of the ratio.

    Attributes:
        automatic: By name of a parameter, what ``auto`` stands for up to 10 images per class, and from 50 on.

    Raises:
        SelectionError: If a value is out of range.
    """

    automatic: ClassVar[dict[str, tuple[float, float]]] = {"candidate_ratio": (2.0, 3.0)}

    candidate_ratio: float | Literal["auto"] = "auto"
    candidates_per_class: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        ratio = self.candidate_ratio
        if ratio != "auto" and not is_number(ratio, 1):
            msg = (
                f"Expected candidate_ratio to be auto, or finite and at least 1, found {ratio!r}; "
                "1 keeps exactly the images of highest quality."
            )
            raise SelectionError(msg)
        if self.candidates_per_class is not None:
            whole_number("candidates_per_class", self.candidates_per_class, at_least=1)

    def check(self, num_classes: int, ipc: int) -> None:
        """Check that there are classes and candidates enough."""
        super().check(num_classes, ipc)
        if self.candidates_per_class is not None and self.candidates_per_class < ipc:
            msg = (
                f"Expected candidates_per_class to be at least ipc = {ipc}, found "
                f"{self.candidates_per_class}; raise it or lower ipc."
            )
            raise SelectionError(msg)

    def resolved(self, ipc: int) -> Self:
        """The sampler with numbers in place of ``auto``."""
        numbers: dict[str, Any] = {
            name: between_10_and_50(ipc, few, many)
            for name, (few, many) in self.automatic.items()
            if getattr(self, name) == "auto"
        }
        return replace(self, **numbers) if numbers else self

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Keep the candidates of one class, and pick among them."""
        candidates, order = self.candidates(pool, ipc)
        picked, values = self.pick_among(pool, candidates, ipc, seed)
        return Picks(candidates[picked], values, ranking=order, kept=len(candidates))

    @abstractmethod
    def pick_among(self, pool: ClassPool, candidates: Tensor, ipc: int, seed: int) -> tuple[Tensor, Tensor]:
        """Pick among the candidates of one class.

        Args:
            pool: The images of the class.
            candidates: Positions of the candidates ``(K,)``, ascending.
            ipc: Images to pick, <= K.
            seed: Seed of samplers that draw.

        Returns:
            Positions among the candidates in order of the picks ``(ipc,)``, and the values they were picked
            with ``(ipc,)``, NaN where there are none.
        """

    def candidates(self, pool: ClassPool, ipc: int) -> tuple[Tensor, Tensor]:
        """Stage 1 of one class: its min(n_c, ceil(ratio * ipc)) best images, or as many as are given.

        Args:
            pool: The images of the class.
            ipc: Images that will be picked.

        Returns:
            As `semantic_filter`.
        """
        by_ratio = ceil_of_product(float(self.resolved(ipc).candidate_ratio), ipc)
        return semantic_filter(pool.quality, min(len(pool), self.candidates_per_class or by_ratio))


def between_10_and_50(ipc: int, few: float, many: float) -> float:
    """A value for few images per class up to 10, one for many from 50 on, and between them by the logarithm.

    Args:
        ipc: Images per class, >= 1.
        few: Value for 10 or fewer.
        many: Value for 50 or more.

    >>> [round(between_10_and_50(ipc, 2.0, 3.0), 2) for ipc in (1, 10, 20, 50, 200)]
    [2.0, 2.0, 2.43, 3.0, 3.0]
    """
    share = min(max(math.log(ipc / 10) / math.log(5), 0.0), 1.0)
    return few + (many - few) * share


def semantic_filter(quality: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """Stage 1: the images of highest quality, and the ranking they came from.

    Args:
        quality: q of the images of one class ``(n_c,)``.
        kept: Number of candidates K, in [1, n_c].

    Returns:
        Positions of the candidates, ascending ``(K,)``, and all positions from best to worst ``(n_c,)``.

    >>> import torch
    >>> candidates, order = semantic_filter(torch.tensor([0.1, 0.9, 0.5], dtype=torch.float64), 2)
    >>> candidates.tolist(), order.tolist()
    ([1, 2], [1, 2, 0])
    """
    order = ranking(quality)
    return order[:kept].sort().values, order
