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
# # A pool whose folders count in another order
#
# The most expensive fault of a pool shows nowhere until a student ends at chance: its folders count the
# classes in another order than the data set. Here such a pool is made, found out, and mended without
# renaming a folder.

# %%
import logging
import shutil
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt

warnings.filterwarnings("ignore", message="IProgress not found")  # a bar that nothing here draws

from semdd_lightning import ClassFolders, OpenClipPrior, select
from semdd_lightning.data import PoolSelection
from semdd_lightning.errors import AuditError
from semdd_lightning.pools.digits import DIGIT_NAMES, GeneratedDigits

place = Path(tempfile.mkdtemp())
prior = OpenClipPrior("digits")  # comes with the package; with a real CLIP: "ViT-B-32-quickgelu", "openai"

# %% [markdown]
# ## The fault
#
# Whoever sorts class names by the alphabet counts eight as 0, five as 1, and so on. The generated digits of
# the quickstart are put into folders of these numbers.

# %%
digits = GeneratedDigits()
digits.prepare()
by_alphabet = sorted(DIGIT_NAMES)
for number, name in enumerate(by_alphabet):
    shutil.copytree(digits.folder / str(DIGIT_NAMES.index(name)), place / "pool" / str(number))
(place / "classes.txt").write_text("\n".join(DIGIT_NAMES))
print(*(f"folder {number} holds {name}" for number, name in enumerate(by_alphabet)), sep="\n")

# %% [markdown]
# ## It is refused before anything is chosen
#
# CLIP looks at the images of each folder. The message names the order that it sees, ready to paste into a
# class list.

# %%
pool = ClassFolders(place / "pool", classes=place / "classes.txt")
try:
    select(pool, prior, ipc=10, sampler="two_stage")
except AuditError as refused:
    print(refused)

# %% [markdown]
# ## What CLIP sees in each folder
#
# `audit="warn"` goes on anyway, with the same message in the log. The table of looks says what share of a
# folder's images looks like each class: a pool in order has its large numbers on the diagonal.


# %%
def show_looks(chosen: PoolSelection, title: str) -> None:
    """The share of each folder's images that looks like each class, as a picture."""
    looks, names = chosen.audit.looks, chosen.pool.registry.names
    figure, axes = plt.subplots(figsize=(5, 4.5))
    axes.imshow(looks, vmin=0, vmax=1, cmap="Greys")
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), [f"{folder} as {name}" for folder, name in enumerate(names)])
    axes.set(xlabel="looks like", ylabel="folder, and its class by the list", title=title)
    figure.tight_layout()


logging.getLogger("semdd_lightning").setLevel(logging.ERROR)  # the same message again
wrong = select(pool, prior, ipc=10, sampler="two_stage", audit="warn")
show_looks(wrong, "as the class list says")

# %% [markdown]
# ## Mended by a class list
#
# A class list with a `folder` column says which folder holds which class. No file is moved, and the classes
# keep the order of the data set, of the teacher and of the test set.

# %%
rows = [f"{name},{by_alphabet.index(name)}" for name in DIGIT_NAMES]
(place / "classes.csv").write_text("\n".join(["name,folder", *rows]))
right = select(
    ClassFolders(place / "pool", classes=place / "classes.csv"), prior, ipc=10, sampler="two_stage"
)
show_looks(right, "as the mended list says")

# %% [markdown]
# The same list serves everywhere: `semdd select pool --classes classes.csv`, `classes: classes.csv` in a
# config. `semdd audit` says the same of a pool without choosing anything, and ranks folders that do not
# hold their class.
