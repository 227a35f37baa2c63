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
# # Your own sampler
#
# A sampler is a small class: it sees one class of the pool, its embeddings and scores, and says which
# images to take and in which order. Here one is written, and looked at beside the default and a random
# choice.

# %%
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from IPython.display import Image, display

warnings.filterwarnings("ignore", message="IProgress not found")  # a bar that nothing here draws

from semdd_lightning import OpenClipPrior, select
from semdd_lightning.pools.digits import GeneratedDigits
from semdd_lightning.report import write_contact_sheet
from semdd_lightning.selection import ClassPool, Picks, Sampler
from semdd_lightning.selection.ties import ranking

# %% [markdown]
# ## The sampler
#
# It ranks the images of a class by quality and takes evenly spaced ones from the better part: some that
# show the class at its clearest, some that are harder. `pick` returns positions within the class;
# parameters are fields.


# %%
@dataclass(frozen=True)
class Strata(Sampler):
    """Evenly spaced along the ranking by quality."""

    best_share: float = 0.5

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        reach = max(ipc, int(self.best_share * len(pool)))
        order = ranking(pool.quality)[torch.arange(ipc) * reach // ipc]
        return Picks(order, pool.quality[order])


# %% [markdown]
# ## Beside the others
#
# All three choose from the same embeddings, which are made once and kept in the cache. The report says what
# each choice is like; whether it helps, students tell.

# %%
digits, prior = GeneratedDigits(), OpenClipPrior("digits")
digits.prepare()
samplers = {"strata": Strata(0.8), "two_stage": "two_stage", "random": "random"}
chosen = {name: select(digits, prior, ipc=10, sampler=sampler) for name, sampler in samplers.items()}
reports = {name: choice.report().loc["selection"] for name, choice in chosen.items()}
display(pd.DataFrame(reports).T.round(3))

# %% [markdown]
# ## What it chose
#
# A row per class: left the chosen images in the order of the picks, right the rejected ones with the lowest
# quality.

# %%
strata = chosen["strata"]
display(Image(write_contact_sheet(Path(tempfile.mkdtemp()) / "strata.png", strata.table, strata.pool)))

# %% [markdown]
# ## Does it help?
#
# Put the class into `my_selection.py`, and its path works wherever the name of a sampler does:
#
# ```sh
# semdd select my_pool --ipc 5 --prior digits --sampler my_selection.Strata --out strata
# semdd compare --config quickstart.yaml --samplers my_selection.Strata random --seeds 0 1 2
# ```
#
# The manifest names the path and the parameters, so that `semdd verify` can make the selection again.
