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
# # Learn from stored labels
#
# A teacher labels every image in every pass. Written once, these labels train any number of students
# without the teacher. In fp32 that is training with the teacher, to the last bit; in fewer bytes it is
# close to it.

# %%
import json
import os
import shlex
import tempfile
import warnings
from pathlib import Path

import pandas as pd
from IPython.display import display
from IPython.utils.capture import capture_output

warnings.filterwarnings("ignore", message="IProgress not found")  # a bar that nothing here draws

from semdd_lightning.cli.main import main

os.chdir(tempfile.mkdtemp())
RUN = "--config quickstart.yaml --data.passes 10 --data.passes_per_epoch 10"


def semdd(command: str) -> None:
    """A command of the command line, in this process."""
    if main(shlex.split(command)) != 0:
        raise RuntimeError(command)


# %% [markdown]
# ## What it would cost
#
# `--dry-run` makes no label. It counts the bytes of the settings that there are, for this selection and
# these passes.

# %%
semdd(f"relabel {RUN} --dry-run")

# %% [markdown]
# ## Label once
#
# The teacher of the quickstart is its CLIP. Each store holds the logits of 100 images in 10 passes.

# %%
for precision in ("fp32", "int8"):
    semdd(f"relabel {RUN} --precision {precision} --out labels/{precision}")

# %% [markdown]
# ## Students with the teacher, and without
#
# Crops, flips and mixing are drawn again from image, pass and seed, so the student sees what the teacher
# saw.

# %%
with capture_output():  # the tables of three runs
    semdd(f"fit {RUN} --run.directory online")
    for precision in ("fp32", "int8"):
        stored = f"--model.teacher StoredLabels --model.teacher.path labels/{precision}"
        semdd(f"fit {RUN} {stored} --run.directory {precision}")

# %% [markdown]
# ## The same student?

# %%
rows = {}
for name in ("online", "fp32", "int8"):
    metrics = json.loads(Path(name, "result.json").read_text())["metrics"]
    store = Path("labels", name)
    kept = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) if store.exists() else 0
    rows[name] = {"top-1": metrics["test_top1"], "training loss": metrics["train_loss"], "bytes": kept}
display(pd.DataFrame(rows).T)
