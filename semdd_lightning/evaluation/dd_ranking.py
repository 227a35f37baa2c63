"""DD-Ranking's scores: how much of an accuracy is the images' and not the labels' or the augmentation's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from semdd_lightning.evaluation.cells import SLICE

WEIGHT = 0.5  # the reference's w of the label-robust score, and gamma of the augmentation-robust one
REAL, PLAIN = (
    "real",
    "plain",
)  # labels of the sampler that trains on real data, of protocols without augmentation


def label_robust_score(*, real_hard: float, hard: float, any_label: float, random: float) -> float:
    """DD-Ranking's LRS: near to training on real data with hard labels, and ahead of random images with any.

    LRS = (e^a - e^-1) / (e - e^-1) with a = w (any_label - random) - (1 - w) (real_hard - hard), after
    NUS-HPC-AI-Lab/DD-Ranking; accuracies are fractions, which its code takes as percent.

    Args:
        real_hard: accuracy of all real images, with hard labels.
        hard: that of the chosen images with hard labels.
        any_label: that of the chosen images with the labels at hand.
        random: that of random images of the same number with these labels.

    Examples:
        >>> round(label_robust_score(real_hard=0.8, hard=0.5, any_label=0.6, random=0.4), 4)
        0.2482
    """
    return _scaled(WEIGHT * (any_label - random) - (1 - WEIGHT) * (real_hard - hard))


def augmentation_robust_score(
    *, augmented: float, random_augmented: float, plain: float, random_plain: float
) -> float:
    """DD-Ranking's ARS: ahead of random images with augmentation and without.

    Args:
        augmented: accuracy of the chosen images, in [0, 1].
        random_augmented: that of random images of the same number.
        plain: that of the chosen images without augmentation.
        random_plain: that of random images without it.
    """
    return _scaled(WEIGHT * (augmented - random_augmented) + (1 - WEIGHT) * (plain - random_plain))


def dd_ranking(
    table: pd.DataFrame, *, random: str = "random", real: str = REAL, plain: str = PLAIN
) -> pd.DataFrame:
    """Both scores of every sampler in every slice, from runs of the same grid, or what is missing for them.

    Args:
        table: as `sampler_table` gives it.
        random: the sampler that chooses at random.
        real: the sampler, by its label in the grid, whose runs train on all real images; any ipc will do.
        plain: the protocol, by its label in the grid, that augments nothing.

    Returns:
        The columns of `SLICE`, ``sampler``, ``lrs``, ``ars`` and ``missing``, in words.
    """
    runs = _Runs(table, real, plain)
    rows = []
    for row in table.to_dict("records"):
        place, sampler = tuple(row[name] for name in SLICE), row["sampler"]
        if sampler in (random, real) or row["protocol"] == plain:
            continue
        lrs, without_lrs = _score("LRS", label_robust_score, runs.for_labels(place, sampler, random))
        ars, without_ars = _score(
            "ARS", augmentation_robust_score, runs.for_augmentation(place, sampler, random)
        )
        missing = "; ".join([*without_lrs, *without_ars])
        found = {"sampler": sampler, "lrs": lrs, "ars": ars, "missing": missing}
        rows.append(dict(zip(SLICE, place, strict=True)) | found)
    return pd.DataFrame(rows, columns=[*SLICE, "sampler", "lrs", "ars", "missing"])


Place = tuple[Any, ...]  # values of `SLICE`
Wanted = dict[str, tuple[str, float | None]]  # argument of a score -> the run in words, and its accuracy


class _Runs:
    """Accuracies of a grid, found again by what a score asks for."""

    def __init__(self, table: pd.DataFrame, real: str, plain: str) -> None:
        self.real, self.plain = real, plain
        self.top1: dict[tuple[Place, str], float] = {}
        self.hard: dict[tuple[Place, str], str] = {}  # the first protocol with hard labels and augmentation
        self.whole: dict[tuple[str, str, str], float] = {}  # all real images, by pool, student and protocol
        for row in table.to_dict("records"):
            place, sampler, protocol = tuple(row[name] for name in SLICE), row["sampler"], row["protocol"]
            self.top1[place, sampler] = row["top1_mean"]
            if row["labels"] == "hard" and protocol != plain:
                self.hard.setdefault((place[:-2], sampler), protocol)
                if sampler == real:
                    self.whole.setdefault((row["pool"], row["student"], protocol), row["top1_mean"])

    def for_labels(self, place: Place, sampler: str, random: str) -> Wanted:
        """What the label-robust score asks for; the hard labels may be those of another protocol."""
        pool, _, _, student, protocol, labels = place
        hard = protocol if labels == "hard" else self.hard.get((place[:-2], sampler), "")
        words = f"with hard labels{f', protocol {hard}' if hard else ' and augmentation'}"
        return {
            "real_hard": (f"{self.real} {words}", self.whole.get((pool, student, hard))),
            "hard": (f"the sampler itself {words}", self.top1.get(((*place[:-2], hard, "hard"), sampler))),
            "any_label": ("", self.top1[place, sampler]),
            "random": self._beside(place, random),
        }

    def for_augmentation(self, place: Place, sampler: str, random: str) -> Wanted:
        """What the augmentation-robust score asks for."""
        bare = (*place[:-2], self.plain, place[-1])
        words = f"with {place[-1]} labels, protocol {self.plain}"
        return {
            "augmented": ("", self.top1[place, sampler]),
            "random_augmented": self._beside(place, random),
            "plain": (f"the sampler itself {words}", self.top1.get((bare, sampler))),
            "random_plain": self._beside(bare, random),
        }

    def _beside(self, place: Place, sampler: str) -> tuple[str, float | None]:
        words = f"{sampler} with {place[-1]} labels, protocol {place[-2]}"
        return words, self.top1.get((place, sampler))


def _score(name: str, score: Callable[..., float], wanted: Wanted) -> tuple[float, list[str]]:
    """The score, or what it lacks."""
    missing = [f"{name} needs {words}" for words, top1 in wanted.values() if top1 is None]
    if missing:
        return math.nan, missing
    return score(**{argument: top1 for argument, (_, top1) in wanted.items()}), []


def _scaled(advantage: float) -> float:
    """From [-1, 1] to [0, 1], steeper for the better."""
    return (math.exp(advantage) - math.exp(-1)) / (math.e - math.exp(-1))
