"""Compares samplers over seeds: mean, standard deviation, and the paired difference to a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student_t

from semdd_lightning.errors import ConfigError
from semdd_lightning.evaluation.cells import Cell


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference over seeds and its two-sided 95 % interval; no interval from a single seed."""

    mean: float
    half_width: float | None


def paired_difference(
    values: Sequence[float] | NDArray[np.float64], baseline: Sequence[float] | NDArray[np.float64]
) -> PairedDifference:
    """Difference of two samplers on the same seeds, by Student's t distribution.

    Args:
        values: one number a seed, (n,).
        baseline: the baseline's numbers for the same seeds, (n,).

    Examples:
        >>> paired_difference([0.5, 0.7, 0.6], [0.4, 0.6, 0.5])
        PairedDifference(mean=0.1, half_width=0.0)
    """
    difference = np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    count = len(difference)
    mean = round(float(difference.mean()), 12)
    if count < 2:
        return PairedDifference(mean, None)
    error = float(difference.std(ddof=1)) / np.sqrt(count)
    return PairedDifference(mean, round(float(student_t.ppf(0.975, count - 1) * error), 12))


def comparison_table(cells: Sequence[Cell], baseline: str) -> pd.DataFrame:
    """One row a sampler, in the order of the cells.

    Args:
        cells: finished runs that differ in sampler and seeds alone; every sampler with the same seeds.
        baseline: the sampler that differences are taken to.

    Returns:
        Columns ``labels`` (their kind), ``n``, ``top1_mean``, ``top1_std`` (ddof 1, NaN for one seed),
        ``top5_mean``, ``difference`` and ``half_width`` of its 95 % interval; index ``sampler``.

    Raises:
        ConfigError: if there are no cells, one is there twice, the samplers did not run with the same
            seeds, the baseline did not run, some runs learnt from other labels than others, or some were cut
            short and others not.
    """
    found = sorted((_sampler(cell), _seeds(cell)) for cell in cells)
    if not found or len(set(found)) < len(found):
        msg = f"Expected every sampler and seed once, found {found or 'none'}; give each finished run once."
        raise ConfigError(msg)
    kinds = sorted({cell.labels for cell in cells if cell.labels is not None})
    if len(kinds) > 1:
        msg = (
            f"Expected runs on one kind of labels, found {', '.join(kinds)}; make a table of each: with "
            "other labels accuracies are those of another protocol."
        )
        raise ConfigError(msg)
    short = [cell for cell in cells if cell.cut_short]
    if 0 < len(short) < len(cells):
        names = ", ".join(f"{_sampler(cell)} with seeds {_seeds(cell)}" for cell in short)
        msg = (
            f"Expected full runs, found {names} cut short ({short[0].cut_short[0]}) beside full ones; run "
            "these to their end, or make a table of each."
        )
        raise ConfigError(msg)
    columns = ("sampler", "seed", "top1", "top5")
    places = [(_sampler(cell), _seeds(cell), cell.top1, cell.top5) for cell in cells]
    runs = pd.DataFrame(places, columns=columns)
    by_seed = runs.pivot(index="seed", columns="sampler", values="top1")
    if baseline not in by_seed or bool(by_seed.isna().to_numpy().any()):
        msg = (
            f"Expected every sampler and the baseline {baseline!r} with the same seeds, found {found}; "
            "run the missing cells."
        )
        raise ConfigError(msg)
    rows = []
    for sampler in runs["sampler"].drop_duplicates():
        top1 = by_seed[sampler].to_numpy(dtype=np.float64)
        difference = paired_difference(top1, by_seed[baseline].to_numpy(dtype=np.float64))
        rows.append(
            {
                "sampler": sampler,
                "labels": next(iter(kinds), "unknown"),
                "n": len(top1),
                "top1_mean": top1.mean(),
                "top1_std": top1.std(ddof=1) if len(top1) > 1 else float("nan"),
                "top5_mean": runs.loc[runs["sampler"] == sampler, "top5"].mean(),
                "difference": difference.mean,
                "half_width": float("nan") if difference.half_width is None else difference.half_width,
            }
        )
    return pd.DataFrame(rows).set_index("sampler")


def _sampler(cell: Cell) -> str:
    return str(cell.axes["sampler"])


def _seeds(cell: Cell) -> str:
    """Of selection and training, as one word."""
    one, other = cell.axes["selection_seed"], cell.axes["training_seed"]
    return str(one) if one == other else f"{one} and {other}"
