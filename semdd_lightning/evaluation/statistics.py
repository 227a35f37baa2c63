"""What a few seeds say of a number: its mean and interval, in words, and how many seeds would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import nctdtr
from scipy.stats import t as student_t

LEVEL = 0.05  # of a test; its interval holds 95 %
POWER = 0.8
MOST_SEEDS = 1000  # beyond which nobody will run more
NOTHING = 1e-6  # accuracies are kept in float32, and one image of 50,000 is 2e-5
SEEDS = ("selection_seed", "training_seed")
BETTER, WORSE = "better", "worse"


@dataclass(frozen=True)
class Estimate:
    """The mean of some numbers that are independent of each other.

    Attributes:
        n: how many they are.
        mean: their mean; NaN of none.
        std: their standard deviation (ddof 1); None of fewer than two.
        half_width: half of Student's two-sided 95 % interval; None where nothing varies, which
            says nothing of how far other seeds would be.
        p_value: of the two-sided t test that the mean is 0; None as the interval.
    """

    n: int
    mean: float
    std: float | None = None
    half_width: float | None = None
    p_value: float | None = None


def estimate(values: ArrayLike) -> Estimate:
    """Mean, standard deviation, 95 % interval and p-value by Student's t.

    Args:
        values: finite numbers ``(n,)``.

    Examples:
        >>> found = estimate([0.5, 0.7, 0.9])
        >>> found.n, round(found.mean, 6), round(found.std, 6), round(found.half_width, 6)
        (3, 0.7, 0.2, 0.496828)
    """
    numbers: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    n = len(numbers)
    if n < 2:
        return Estimate(n, float(numbers[0]) if n else float("nan"))
    mean, std = float(numbers.mean()), float(numbers.std(ddof=1))
    if std < NOTHING:
        return Estimate(n, mean, 0.0)
    error = std / np.sqrt(n)
    half_width = float(student_t.ppf(1 - LEVEL / 2, n - 1) * error)
    return Estimate(n, mean, std, half_width, float(2 * student_t.sf(abs(mean) / error, n - 1)))


def paired_difference(values: ArrayLike, baseline: ArrayLike) -> Estimate:
    """The mean difference of two samplers on the same seeds: its interval and paired t test.

    Args:
        values: one number per seed ``(n,)``.
        baseline: the baseline's numbers for the same seeds ``(n,)``.
    """
    return estimate(np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64))


def over_seeds(values: pd.Series[float]) -> Estimate:
    """The mean over runs, counting what is independent of each other.

    Runs that share a selection or a training seed are not, so where both seeds vary and are combined, runs
    are averaged over one of the two, and of both ways the one with the wider interval counts.

    Args:
        values: one number per run, by the levels `SEEDS` of the index.
    """
    by_seed = [values.groupby(level=seed).mean() for seed in SEEDS]
    shared = any(len(means) < len(values) for means in by_seed)
    if not shared or min(map(len, by_seed)) < 2:  # of none, one, or one seed alone that varies
        return estimate(values.to_numpy())
    return max((estimate(means.to_numpy()) for means in by_seed), key=lambda found: found.half_width or 0.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p-values of several comparisons that are looked at together.

    Below 0.05 they hold the chance of calling even one of these differences real that is none to 5 %.

    Args:
        p_values: of each comparison alone.

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected, so_far = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = so_far
    return corrected


def seeds_needed(found: Estimate, comparisons: int = 1) -> int | None:
    """With how many seeds a paired t test sees a difference as large as the one found, with power 80 %.

    Args:
        found: the difference, which was not seen with the seeds that there are.
        comparisons: how many are looked at together; the level is 5 % divided by them, Holm's strictest.

    Returns:
        The fewest above those that there are; None if `MOST_SEEDS` are too few, or nobody knows how much
        seeds vary.

    Examples:
        >>> seeds_needed(Estimate(5, mean=0.01, std=0.01))
        10
    """
    if not found.std:
        return None
    level = LEVEL / max(1, comparisons)
    n = np.arange(max(2, found.n + 1), MOST_SEEDS + 1)
    bound = student_t.ppf(1 - level / 2, n - 1)
    shift = abs(found.mean) / found.std * np.sqrt(n)
    power = 1 - nctdtr(n - 1, shift, bound) + nctdtr(n - 1, shift, -bound)
    enough = np.nan_to_num(power, nan=1.0) >= POWER  # it has no digits left only far beyond the bound
    return int(n[enough.argmax()]) if enough.any() else None


def verdict(difference: Estimate, corrected: float | None, needed: int | None = None) -> str:
    """The plain words for a paired difference.

    The corrected p-value decides. It is never below the p-value of the comparison alone, so what is called
    better or worse has a 95 % interval without zero. With many comparisons the converse need not hold.

    Args:
        difference: mean over the seeds that both have.
        corrected: its p-value after Holm's correction; None where there is none.
        needed: seeds that would do, as `seeds_needed` has them.

    Examples:
        >>> verdict(Estimate(5, 0.02, 0.01, 0.0124, 0.011), 0.011)
        'better'
        >>> verdict(Estimate(5, 0.01, 0.01, 0.0124, 0.089), 0.089, 10)
        'cannot be told with 5 seeds; about 10 would do'
    """
    n = difference.n
    if n == 0:
        return "no seed in common with the baseline"
    if n == 1:
        return "cannot be told with one seed"
    if corrected is None:
        if abs(difference.mean) < NOTHING:
            return f"the same with all {n} seeds"
        return f"cannot be told: one difference with all {n} seeds, which shows no spread to judge it by"
    if corrected < LEVEL:
        return BETTER if difference.mean > 0 else WORSE
    would = f"no number up to {MOST_SEEDS:,} would do" if needed is None else f"about {needed} would do"
    return f"cannot be told with {n} seeds; {would}"
