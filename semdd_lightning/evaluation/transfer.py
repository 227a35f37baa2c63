"""Whether students agree on which samplers are good."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from semdd_lightning.evaluation.cell_table import SLICE

APART_FROM_STUDENT = [axis for axis in SLICE if axis != "student"]


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
