"""Whether ranks agree: of what describes a choice with what students learn from it, and of students."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from semdd_lightning.evaluation.cells import CHOSEN, SLICE

FEWEST = 3  # samplers, of which a rank correlation can say anything
APART_FROM_STUDENT = [axis for axis in SLICE if axis != "student"]


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
    for place, samplers in table.groupby(list(SLICE), sort=False):
        for metric in metrics:
            both = samplers[[metric, "top1_mean"]].dropna().to_numpy(dtype="float64")
            told = len(both) >= FEWEST and bool((np.ptp(both, axis=0) > 0).all())
            rho = float(spearmanr(both[:, 0], both[:, 1]).statistic) if told else np.nan
            found = {"metric": metric.removeprefix(CHOSEN), "n": len(both), "spearman": rho}
            rows.append({**dict(zip(SLICE, place, strict=True)), **found})
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
    for place, part in table.groupby(APART_FROM_STUDENT, sort=False):
        by_student = part.pivot(index="sampler", columns="student", values="top1_mean")
        for one, other in combinations(part["student"].drop_duplicates(), 2):
            both = by_student[[one, other]].dropna().to_numpy(dtype="float64")
            told = len(both) >= 2 and bool((np.ptp(both, axis=0) > 0).all())
            tau = float(kendalltau(both[:, 0], both[:, 1]).statistic) if told else np.nan
            found = {"student": one, "other": other, "n": len(both), "kendall": tau}
            rows.append({**dict(zip(APART_FROM_STUDENT, place, strict=True)), **found})
    return pd.DataFrame(rows, columns=[*APART_FROM_STUDENT, "student", "other", "n", "kendall"])
