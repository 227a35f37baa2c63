"""DD-Ranking's scores: how much of an accuracy is the images' and not the labels' or the augmentation's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from semdd_lightning.evaluation.cells import SLICE

WEIGHT = 0.5  # the reference's w of the label-robust score, and gamma of the augmentation-robust one
REAL, PLAIN = "real", "plain"  # the sampler that trains on real data, the protocol without augmentation


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
    rows, runs = [], table.to_dict("records")
    top1 = {(_place(run), run["sampler"]): run["top1_mean"] for run in runs}
    hard: dict[Any, str] = {}  # of place and sampler, the first protocol with hard labels and augmentation
    whole: dict[Any, float] = {}  # all real images with hard labels, by pool, student and protocol
    for run in runs:
        if run["labels"] == "hard" and run["protocol"] != plain:
            hard.setdefault((_place(run)[:-2], run["sampler"]), run["protocol"])
            if run["sampler"] == real:
                whole.setdefault((run["pool"], run["student"], run["protocol"]), run["top1_mean"])
    for run in runs:
        place, sampler, protocol, labels = _place(run), run["sampler"], run["protocol"], run["labels"]
        if sampler in (random, real) or protocol == plain:
            continue
        by_hard = protocol if labels == "hard" else hard.get((place[:-2], sampler), "")
        of_hard = f"with hard labels{f', protocol {by_hard}' if by_hard else ' and augmentation'}"
        own = ("", top1[place, sampler])
        beside = (f"{random} with {labels} labels, protocol {protocol}", top1.get((place, random)))
        lrs, without_lrs = _score(
            "LRS",
            label_robust_score,
            real_hard=(f"{real} {of_hard}", whole.get((run["pool"], run["student"], by_hard))),
            hard=(f"the sampler itself {of_hard}", top1.get(((*place[:-2], by_hard, "hard"), sampler))),
            any_label=own,
            random=beside,
        )
        bare, of_plain = (*place[:-2], plain, labels), f"with {labels} labels, protocol {plain}"
        ars, without_ars = _score(
            "ARS",
            augmentation_robust_score,
            augmented=own,
            random_augmented=beside,
            plain=(f"the sampler itself {of_plain}", top1.get((bare, sampler))),
            random_plain=(f"{random} {of_plain}", top1.get((bare, random))),
        )
        missing = "; ".join([*without_lrs, *without_ars])
        found = {"sampler": sampler, "lrs": lrs, "ars": ars, "missing": missing}
        rows.append(dict(zip(SLICE, place, strict=True)) | found)
    return pd.DataFrame(rows, columns=[*SLICE, "sampler", "lrs", "ars", "missing"])


def _place(run: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(run[name] for name in SLICE)


def _score(
    name: str, score: Callable[..., float], **wanted: tuple[str, float | None]
) -> tuple[float, list[str]]:
    """The score, or what it lacks: each argument comes with words for the run that has it."""
    missing = [f"{name} needs {words}" for words, top1 in wanted.values() if top1 is None]
    if missing:
        return math.nan, missing
    return score(**{argument: top1 for argument, (_, top1) in wanted.items()}), []


def _scaled(advantage: float) -> float:
    """From [-1, 1] to [0, 1], steeper for the better."""
    return (math.exp(advantage) - math.exp(-1)) / (math.e - math.exp(-1))
