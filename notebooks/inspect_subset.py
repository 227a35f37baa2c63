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
# # What was chosen, and what was not
#
# Open a finished selection and look at it: chosen and rejected images side by side, the scores behind the
# verdicts, and where the chosen images lie among all others.
#
# Set `RUN` to a directory that `semdd fit` or `semdd select` printed. Left at `None`, a small selection from
# the offline quickstart's generated digits is made first.

# %%
import os
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image, display
from sklearn.decomposition import PCA

warnings.filterwarnings("ignore", message="IProgress not found")  # a bar that nothing here draws

from semdd_lightning import OpenClipPrior, select
from semdd_lightning.data.embedded_pools import PoolEmbedder
from semdd_lightning.export import build_component, read_manifest, read_table
from semdd_lightning.pools import ImageSet, decode_image
from semdd_lightning.pools.digits import GeneratedDigits
from semdd_lightning.prior import listed_priors, prior_kind
from semdd_lightning.report import write_contact_sheet
from semdd_lightning.selection import score_columns

RUN = os.environ.get("SEMDD_RUN")  # or write the directory here

# %%
if RUN is None:
    digits = GeneratedDigits()
    digits.prepare()
    chosen = select(digits, OpenClipPrior("digits"), ipc=10, sampler="two_stage")
    RUN = chosen.export(Path(tempfile.mkdtemp()) / "chosen")

run = Path(RUN)
manifest, table = read_manifest(run), read_table(run)
pool = build_component(manifest.pool, ImageSet).read()
print(f"{manifest.sampler_name} chose {len(manifest.paths)} of {len(table)} images, {manifest.ipc} per class")

# %% [markdown]
# ## The contact sheet
#
# A row per class. Left the chosen images in the order they were picked, right the rejected ones with the
# lowest quality.

# %%
display(Image(write_contact_sheet(Path(tempfile.mkdtemp()) / "subset.png", table, pool)))

# %% [markdown]
# ## One class, with scores
#
# Relevance is the cosine to the class prompt, separability its lead over the next class, quality their
# normalised mix that the first stage filters by. Change `NAME` to look at another class.

# %%
NAME = manifest.class_names[0]
of_class = table[(table["class_name"] == NAME) & (table["stage"] != "excluded")]


def show(images: pd.DataFrame, title: str, columns: int = 10) -> None:
    """Images with quality and reason under them."""
    rows = max(1, -(-len(images) // columns))
    figure, grid = plt.subplots(rows, columns, figsize=(1.5 * columns, 2.0 * rows), squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, (_, image) in zip(grid.flat, images.iterrows(), strict=False):
        axes.imshow(decode_image(pool.read(pool.find(image["path"]))))
        axes.set_title(f"q {image['quality']:.2f}\n{image['reason']}", fontsize=6)
    figure.suptitle(title)
    figure.tight_layout()


show(of_class[of_class["stage"] == "selected"].sort_values("step").head(20), f"{NAME}: chosen")

# %%
rejected = of_class[of_class["stage"] != "selected"].sort_values("quality", ascending=False)
show(rejected.head(10), f"{NAME}: the best images that were not chosen")
show(rejected.tail(10), f"{NAME}: the worst images")

# %% [markdown]
# ## Where the scores of the chosen images lie

# %%
usable = table[table["stage"] != "excluded"]
scores = [*score_columns(usable), "quality", "nearest_similarity"]
figure, axes_row = plt.subplots(1, len(scores), figsize=(4 * len(scores), 3))
for axes, score in zip(axes_row, scores, strict=True):
    for stage in ("filtered", "candidate", "selected"):
        values = usable.loc[usable["stage"] == stage, score].dropna()
        if len(values):
            axes.hist(values, bins=25, alpha=0.6, label=stage, density=True)
    axes.set_title(score)
axes_row[0].legend()
figure.tight_layout()

# %% [markdown]
# ## What the selection bought
#
# The same numbers for the pool, the candidates of the first stage, the chosen images, and a random choice of
# the same size.

# %%
if (run / "report.csv").is_file() or (run / "subset" / "report.csv").is_file():
    report = run / "report.csv" if (run / "report.csv").is_file() else run / "subset" / "report.csv"
    display(pd.read_csv(report, index_col=0).round(3))

# %% [markdown]
# ## The map of embeddings
#
# All images of the pool in the plane of their two main directions; the chosen ones are outlined. The
# embeddings come from the cache, so nothing is encoded again.

# %%
described = [manifest.prior] if isinstance(manifest.prior, dict) else manifest.prior
priors = [build_component(prior, prior_kind(prior)) for prior in described]
embeddings = PoolEmbedder(listed_priors(priors), pool, "cpu")(pool)
plane = PCA(n_components=2).fit_transform(embeddings.image_embeddings.numpy())
picked = pd.Series(list(pool.paths)).isin(manifest.paths).to_numpy()
figure, axes = plt.subplots(figsize=(8, 7))
axes.scatter(plane[~picked, 0], plane[~picked, 1], c=pool.labels[~picked], cmap="tab10", s=8, alpha=0.35)
axes.scatter(
    plane[picked, 0], plane[picked, 1], c=pool.labels[picked], cmap="tab10", s=45, edgecolors="black"
)
_ = axes.set_title(f"{embeddings.encoded} images encoded now; outlined: chosen")
