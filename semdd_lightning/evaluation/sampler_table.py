"""Samplers side by side: accuracy, difference to a baseline, choice, cost, and whether ranks agree."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from semdd_lightning.errors import ConfigError
from semdd_lightning.evaluation.cells import CHOSEN, SECONDS, SLICE, Slice, by_slice, slices
from semdd_lightning.evaluation.statistics import (
    LEVEL,
    NOTHING,
    SEEDS,
    Estimate,
    holm,
    over_seeds,
    seeds_needed,
    verdict,
)

COMPARED = (
    *("pairs", "difference", "half_width", "p_value", "p_holm", "wins", "losses", "seeds_needed"),
    "verdict",
)
COSTS = ("label_bytes", "peak_memory_bytes")
SHARED = tuple(f"{stage}{SECONDS}" for stage in ("index", "embed", "encode", "learn"))  # once, then cached


def default_baseline(cells: pd.DataFrame) -> str:
    """The sampler that differences are taken to where nobody names one: random, else the last of the grid."""
    samplers = list(cells["sampler"].drop_duplicates())
    return "random" if "random" in samplers else str(samplers[-1])


def sampler_table(cells: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """One row per sampler in each slice of the grid, in its order.

    Differences are paired over the seeds that sampler and baseline have in common; p-values are corrected, by
    Holm, over the comparisons of one slice.

    Args:
        cells: as `cell_table` gives them.
        baseline: the sampler that differences are taken to.

    Returns:
        The columns of `SLICE`, ``sampler``, ``n`` (independent runs), ``top1_mean``, ``top1_std``,
        ``top1_half_width`` of its 95 % interval, the same of ``top5``, ``pairs`` (with the baseline),
        ``difference``, its ``half_width``, ``p_value`` and ``p_holm``, ``wins`` and ``losses`` (seeds),
        ``seeds_needed``, ``verdict``, ``num_images_pool``, means of what describes the chosen images
        (``chosen_...``), and costs: seconds of each stage (``..._seconds``), bytes of labels and memory.

    Raises:
        ConfigError: if no cell has the baseline.
    """
    known = list(cells["sampler"].drop_duplicates())
    if baseline not in known:
        msg = f"Expected a baseline out of {', '.join(map(str, known)) or 'no samplers'}, found {baseline!r}."
        raise ConfigError(msg)
    rows = [row for part in slices(cells) for row in _rows(part, baseline)]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*SLICE, "sampler", "n", "verdict"])


def _rows(part: Slice, baseline: str) -> list[dict[str, Any]]:
    runs = part.counted.set_index(list(SEEDS))
    top1 = {sampler: of_sampler["top1"] for sampler, of_sampler in runs.groupby("sampler", sort=False)}
    pairs = {
        sampler: (values - top1.get(baseline, values[:0])).dropna()
        for sampler, values in top1.items()
        if sampler != baseline
    }
    differences = {sampler: over_seeds(values) for sampler, values in pairs.items()}
    tested = {name: found.p_value for name, found in differences.items() if found.p_value is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    rows = []
    for sampler, of_sampler in runs.groupby("sampler", sort=False):
        if sampler in pairs:
            compared = _compared(pairs[sampler], differences[sampler], corrected.get(sampler), len(tested))
        else:
            compared = dict.fromkeys(COMPARED, np.nan) | {"verdict": "baseline"}
        described = {**_accuracies(of_sampler), **compared, **_descriptions(of_sampler)}
        rows.append({**part.place, "sampler": sampler, **described})
    return rows


def _accuracies(runs: pd.DataFrame) -> dict[str, Any]:
    top1, top5 = (over_seeds(runs[name].dropna()) for name in ("top1", "top5"))
    found: dict[str, Any] = {"n": top1.n}
    for name, of_name in (("top1", top1), ("top5", top5)):
        found[f"{name}_mean"] = of_name.mean
        found[f"{name}_std"] = _number(of_name.std)
        found[f"{name}_half_width"] = _number(of_name.half_width)
    return found


def _compared(
    values: pd.Series[float], difference: Estimate, corrected: float | None, comparisons: int
) -> dict[str, Any]:
    open_still = corrected is not None and corrected >= LEVEL
    needed = seeds_needed(difference, comparisons) if open_still else None
    found = (
        difference.n,
        difference.mean,
        _number(difference.half_width),
        _number(difference.p_value),
        _number(corrected),
        int((values > NOTHING).sum()),
        int((values < -NOTHING).sum()),
        _number(needed),
        verdict(difference, corrected, needed),
    )
    return dict(zip(COMPARED, found, strict=True))


def _descriptions(runs: pd.DataFrame) -> dict[str, Any]:
    """Means over the runs; of what is done once, the longest, for the other runs took it from the cache."""
    found: dict[str, Any] = {"num_images_pool": runs["num_images_pool"].mean()}
    for name in runs.columns:
        if name.startswith(CHOSEN) or name.endswith(SECONDS) or name in COSTS:
            values = runs[name].astype("float64")
            found[name] = values.max() if name in SHARED else values.mean()
    return found


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def metric_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman's correlation over the samplers of each slice, of each metric with top-1.

    Args:
        table: as `sampler_table` gives it.

    Returns:
        The columns of `SLICE`, ``metric``, ``n`` (samplers) and ``spearman``; NaN of fewer than three
        samplers, or where all have the same value.
    """
    rows = []
    metrics = [name for name in table.columns if name.startswith(CHOSEN) and name != f"{CHOSEN}num_images"]
    for place, samplers in by_slice(table):
        for metric in metrics:
            n, rho = _rank_correlation(samplers[[metric, "top1_mean"]], spearmanr, 3)
            rows.append({**place, "metric": metric.removeprefix(CHOSEN), "n": n, "spearman": rho})
    return pd.DataFrame(rows, columns=[*SLICE, "metric", "n", "spearman"])


def student_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau between the accuracies that two students give the same samplers.

    1 means that both rank the samplers alike, -1 that one has them the other way round.

    Args:
        table: as `sampler_table` gives it.

    Returns:
        The columns of `SLICE` but for the student, ``student``, ``other``, ``n`` (samplers of both) and
        ``kendall``; NaN of fewer than two samplers, or where a student tells none of them apart.
    """
    rows = []
    axes = [axis for axis in SLICE if axis != "student"]
    for place, part in table.groupby(axes, sort=False):
        by_student = part.pivot(index="sampler", columns="student", values="top1_mean")
        for one, other in combinations(part["student"].drop_duplicates(), 2):
            n, tau = _rank_correlation(by_student[[one, other]], kendalltau, 2)
            found = {"student": one, "other": other, "n": n, "kendall": tau}
            rows.append({**dict(zip(axes, place, strict=True)), **found})
    return pd.DataFrame(rows, columns=[*axes, "student", "other", "n", "kendall"])


def _rank_correlation(pairs: pd.DataFrame, measure: Callable[..., Any], fewest: int) -> tuple[int, float]:
    """How many pairs are known, and their correlation; NaN of too few, or where one of both never varies."""
    both = pairs.dropna().to_numpy(dtype="float64")
    told = len(both) >= fewest and bool((np.ptp(both, axis=0) > 0).all())
    return len(both), float(measure(both[:, 0], both[:, 1]).statistic) if told else np.nan
