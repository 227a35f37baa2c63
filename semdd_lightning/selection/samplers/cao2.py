"""The sample selection of CaO2: images that a classifier gets right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from semdd_lightning.selection.checks import check_choice
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.scores.of_networks import Confidence
from semdd_lightning.selection.scores.score import Need, needed
from semdd_lightning.selection.ties import ranking

Preference = Literal["auto", "most", "least"]

_LAST_OF_MOST = 22  # the middle of 10 and 50 by the logarithm


def right_first(confidence: Tensor, right: Tensor, *, most: bool) -> Tensor:
    """All images of a class, those that a classifier gets right before the others, each by confidence.

    Args:
        confidence: Largest probability of each image ``(n_c,)``, float64.
        right: Whether it is that of the own class ``(n_c,)``, bool.
        most: Whether the most confident come first, else the least.

    Returns:
        Positions ``(n_c,)``, int64; equals in path order.

    >>> confidence = torch.tensor([0.9, 0.6, 0.8], dtype=torch.float64)
    >>> right_first(confidence, torch.tensor([False, True, True]), most=True).tolist()
    [2, 1, 0]
    """
    by_confidence = ranking(confidence if most else -confidence)
    return torch.cat([by_confidence[right[by_confidence]], by_confidence[~right[by_confidence]]])


@dataclass(frozen=True)
class CaO2(Sampler):
    """Images that a classifier gets right: the most confident for few per class, the least for many.

    The rule of "CaO2: Rectifying Inconsistencies in Diffusion-Based Dataset Distillation" (arXiv 2506.22637),
    which draws twice as many images as it keeps, four times for ImageWoof. Where too few are right the others
    follow in the same order, as in its code. The paper has 10 and 50 images per class; ``auto`` changes in
    the middle of these by the logarithm.

    Args:
        preference: ``most`` or ``least`` confident first; ``auto``: most up to 22 images per class, least
            beyond.

    Raises:
        SelectionError: If there is no such preference.
    """

    name: ClassVar[str] = "cao2"
    meaning: ClassVar[str] = "those a classifier gets right, the surest if few, the least sure if many"
    uses: ClassVar[tuple[str, ...]] = (Confidence.name,)
    needs: ClassVar[frozenset[Need]] = Confidence.needs

    preference: Preference = "auto"

    def __post_init__(self) -> None:
        check_choice("preference", self.preference, get_args(Preference))

    def resolved(self, ipc: int) -> Self:
        """The sampler with a preference in place of ``auto``."""
        if self.preference != "auto":
            return self
        return replace(self, preference="most" if ipc <= _LAST_OF_MOST else "least")

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Pick the images of one class that a classifier gets right."""
        confidence = pool.scores[Confidence.name]
        right = needed(pool.classifier, "classifier", self.name).predicted == pool.class_index
        order = right_first(confidence, right, most=self.resolved(ipc).preference == "most")
        picked = order[:ipc]
        return Picks(picked, confidence[picked], ranking=order, kept=max(int(right.sum()), ipc))
