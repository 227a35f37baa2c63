"""Whether what describes a choice goes with what students learn from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from semdd_lightning.evaluation.cell_table import CHOSEN, SLICE

FEWEST = 3  # samplers, of which a rank correlation can say anything


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
