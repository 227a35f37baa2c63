"""What a difference to the baseline allows to say, in words."""

from __future__ import annotations

from semdd_lightning.evaluation.statistics import LEVEL, MOST_SEEDS, NOTHING, Estimate

BETTER, WORSE = "better", "worse"


def verdict(difference: Estimate, corrected: float | None, needed: int | None = None) -> str:
    """The plain words for a paired difference.

    The corrected p-value decides. It is never below the p-value of the comparison alone, so what is called
    better or worse has a 95 % interval without zero. With many comparisons the converse need not hold.

    Args:
        difference: mean over the seeds that both have.
        corrected: its p-value after Holm's correction; none where there is none.
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
