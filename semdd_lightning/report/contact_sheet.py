"""One picture of what was chosen: a row a class, chosen images left, rejected ones right."""

from __future__ import annotations

import textwrap
import warnings
from io import BytesIO
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semdd_lightning.atomic import write_atomically
from semdd_lightning.names import shown
from semdd_lightning.pools import Pool, decode_image

MOST_CLASSES = 20
MOST_CHOSEN = 10
REJECTED = 4
CELL = 0.75  # inches


def write_contact_sheet(path: Path, table: pd.DataFrame, pool: Pool) -> Path:
    """Write chosen images in pick order beside the worst-scored rejected ones.

    Args:
        path: PNG to write.
        table: score table of a selection.
        pool: the pool that the selection was made from.
    """
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a class named in Chinese
        draw_contact_sheet(table, pool).savefig(content, format="png")
    write_atomically(path, content.getbuffer())
    return path


def draw_contact_sheet(table: pd.DataFrame, pool: Pool) -> Figure:
    """The contact sheet as a figure, for up to 20 classes and 10 chosen images each."""
    labels = sorted(table["label"].unique())[:MOST_CLASSES]
    chosen = {label: _chosen(table, label) for label in labels}
    columns = max(len(images) for images in chosen.values())
    width = columns + REJECTED + 1
    figure = Figure(figsize=(CELL * (width + 1.5), CELL * len(labels) + 0.6), dpi=120)
    grid = figure.add_gridspec(
        len(labels),
        width,
        left=1.6 / (width + 1.5),
        right=0.99,
        bottom=0.01,
        top=1 - 0.55 / figure.get_figheight(),
    )
    for row, label in enumerate(labels):
        for column, (_, image) in enumerate(chosen[label].iterrows()):
            axes = figure.add_subplot(grid[row, column])
            _show(axes, pool, image["path"])
            if column == 0:
                name = textwrap.shorten(shown(image["class_name"]), 16, placeholder="...")
                axes.set_ylabel(name, parse_math=False, rotation=0, ha="right", va="center", fontsize=8)
            if row == 0:
                axes.set_title(f"{column + 1}", fontsize=7)
        for column, (_, image) in enumerate(_rejected(table, label).iterrows()):
            axes = figure.add_subplot(grid[row, columns + 1 + column])
            _show(axes, pool, image["path"], frame="tab:red")
    hidden = table["label"].nunique() - len(labels)
    more = f", first {len(labels)} of {len(labels) + hidden} classes" if hidden else ""
    figure.suptitle(
        f"Chosen, in the order picked{more}  |  right, framed: rejected with the lowest quality", fontsize=8
    )
    return figure


def _chosen(table: pd.DataFrame, label: int) -> pd.DataFrame:
    of_class = table[(table["label"] == label) & (table["stage"] == "selected")]
    return of_class.sort_values("step").head(MOST_CHOSEN)


def _rejected(table: pd.DataFrame, label: int) -> pd.DataFrame:
    of_class = table[(table["label"] == label) & table["stage"].isin(["candidate", "filtered"])]
    return of_class.sort_values("quality").head(REJECTED)


def _show(axes: Axes, pool: Pool, path: str, frame: str | None = None) -> None:
    axes.imshow(decode_image(pool.read(pool.find(path))), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(frame is not None)
        spine.set_color(frame or "none")
        spine.set_linewidth(2)
