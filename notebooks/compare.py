# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Read a comparison
#
# `semdd compare` leaves a record of its cells. Here it is loaded: what its numbers allow to say, its table,
# and its figures.
#
# Set `COMPARISON` to a directory that `semdd compare` printed. Left at `None`, a record is written first
# whose accuracies are drawn from a normal distribution, so that it is known which sampler is better: `good`
# is ahead of `random` by five points, `same` is as good as it.

# %%
# %matplotlib inline
import os
import tempfile
from pathlib import Path

import numpy as np
from IPython.display import display

from semdd_lightning import Comparison
from semdd_lightning.evaluation import Cell, write_cells

COMPARISON = os.environ.get("SEMDD_COMPARISON")  # or write the directory here

# %%
if COMPARISON is None:
    COMPARISON, draws = tempfile.mkdtemp(), np.random.default_rng(0)
    cells = []
    for ipc in (1, 10):
        for sampler, gain in {"random": 0.0, "good": 0.05, "same": 0.0}.items():
            for seed in range(5):
                axes = {"pool": "drawn", "prior": "none", "sampler": sampler, "ipc": ipc, "student": "conv3"}
                axes |= {"protocol": "hard", "selection_seed": seed, "training_seed": seed}
                top1 = 0.3 + 0.02 * ipc + gain + draws.normal(0, 0.01)
                cells.append(Cell(axes, f"{sampler}-{ipc}-{seed}", "finished", "hard", top1=top1))
    write_cells(Path(COMPARISON), cells)

comparison = Comparison.load(COMPARISON)
print(comparison.summary())

# %% [markdown]
# ## The table
#
# One row per sampler in each slice of the grid: runs with the same pool, prior, ipc, student, protocol and
# labels. Differences are paired by seed. The p-value that Holm corrected makes the verdict.

# %%
columns = [
    "ipc",
    "sampler",
    "n",
    "top1_mean",
    "top1_half_width",
    "difference",
    "half_width",
    "p_holm",
    "verdict",
]
display(comparison.table()[columns].round(4))

# %% [markdown]
# ## Figures
#
# Every sampler with its 95 % interval and single seeds, the differences to the baseline, and accuracy
# against images per class. `comparison.where(ipc=10)` is a part of it, `baseline="good"` another baseline.

# %%
display(comparison.plot("accuracy"))
display(comparison.plot("differences"))

# %%
for kind in comparison.kinds():
    if kind in ("ipc", "metrics"):
        display(comparison.plot(kind))
