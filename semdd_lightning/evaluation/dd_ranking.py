"""DD-Ranking's scores: how much of an accuracy is the images' and not the labels' or the augmentation's."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from semdd_lightning.evaluation.cell_table import SLICE

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

    Example:
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
    rows = []
    augmented = table[table["protocol"] != plain]
    for _, row in augmented[~augmented["sampler"].isin([random, real])].iterrows():
        place = {name: row[name] for name in SLICE}
        found: dict[str, Any] = {"lrs": math.nan, "ars": math.nan}
        missing = []
        for name, score, known_runs, wanted in (
            (
                "lrs",
                label_robust_score,
                augmented,
                _for_labels(augmented, place, row["sampler"], random, real),
            ),
            (
                "ars",
                augmentation_robust_score,
                table,
                _for_augmentation(place, row["sampler"], random, plain),
            ),
        ):
            top1 = {argument: _top1(known_runs, where) for argument, where in wanted.items()}
            known = {argument: value for argument, value in top1.items() if value is not None}
            if len(known) == len(wanted):
                found[name] = score(**known)
            missing += [_in_words(name, wanted[argument]) for argument in top1 if argument not in known]
        rows.append({**place, "sampler": row["sampler"], **found, "missing": "; ".join(missing)})
    return pd.DataFrame(rows, columns=[*SLICE, "sampler", "lrs", "ars", "missing"])


Where = dict[str, Any]  # columns of the table and what stands there


def _for_labels(table: pd.DataFrame, place: Where, sampler: str, random: str, real: str) -> dict[str, Where]:
    """Where the four accuracies of the label-robust score stand; hard labels may be another protocol's."""
    beside = {name: place[name] for name in ("pool", "prior", "ipc", "student")} | {"labels": "hard"}
    hard = place if place["labels"] == "hard" else beside
    protocols = table.loc[_rows(table, hard | {"sampler": sampler}), "protocol"]
    if len(protocols):
        hard = hard | {"protocol": protocols.iloc[0]}
    whole = {name: hard[name] for name in ("pool", "student", "labels", "protocol") if name in hard}
    return {
        "real_hard": whole | {"sampler": real},
        "hard": hard | {"sampler": sampler},
        "any_label": place | {"sampler": sampler},
        "random": place | {"sampler": random},
    }


def _for_augmentation(place: Where, sampler: str, random: str, plain: str) -> dict[str, Where]:
    bare = place | {"protocol": plain}
    return {
        "augmented": place | {"sampler": sampler},
        "random_augmented": place | {"sampler": random},
        "plain": bare | {"sampler": sampler},
        "random_plain": bare | {"sampler": random},
    }


def _top1(table: pd.DataFrame, where: Where) -> float | None:
    found = table.loc[_rows(table, where), "top1_mean"]
    return float(found.iloc[0]) if len(found) else None


def _rows(table: pd.DataFrame, where: Where) -> pd.Series[bool]:
    return table[list(where)].eq(list(where.values())).all(axis=1)


def _in_words(score: str, where: Where) -> str:
    protocol = f" and protocol {where['protocol']}" if "protocol" in where else ""
    return f"{score.upper()} needs {where['sampler']} with {where['labels']} labels{protocol}"


def _scaled(advantage: float) -> float:
    """From [-1, 1] to [0, 1], steeper for the better."""
    return (math.exp(advantage) - math.exp(-1)) / (math.e - math.exp(-1))
