"""Figures of a comparison in one style, each with n and the command below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from io import BytesIO
from itertools import islice
from math import ceil
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from semdd_lightning.errors import ConfigError
from semdd_lightning.names import shown
from semdd_lightning.report.comparison.panels import (
    INK,
    Panel,
    accuracy_panels,
    difference_panels,
    growth_panels,
    metric_panels,
)

FIGURES = {  # kind -> what it shows
    "accuracy": "Test accuracy by sampler: mean, 95 % interval and single seeds",
    "differences": "Paired differences to the baseline with 95 % intervals",
    "ipc": "Test accuracy against images per class, with 95 % intervals",
    "pool_size": "Test accuracy against the size of the pool, with 95 % intervals",
    "metrics": "What describes the chosen images against test accuracy",
}
FORMATS = ("png", "pdf", "svg")
MOST_PANELS = 24
_WIDTH, _COLUMNS, _LETTERS = 4.4, 3, 75  # of a panel in inches, panels in a row, letters of a line below one
_NAMES = ("pool", "prior", "student", "protocol")
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a name with two dollars is no formula
    "svg.hashsalt": "semdd",  # the same figure is the same file
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    **{"figure.facecolor": "white", "savefig.facecolor": "white", "axes.facecolor": "none"},
}


def draw(kind: str, cells: pd.DataFrame, table: pd.DataFrame, baseline: str, command: str | None) -> Figure:
    """A figure of a comparison.

    Args:
        kind: one of `FIGURES`.
        cells: as `cell_table` gives them.
        table: as `sampler_table` gives it.
        baseline: the sampler that differences were taken to.
        command: what made the comparison, as a shell takes it; none where nobody knows.

    Raises:
        ConfigError: if there is no such kind, or nothing of this kind to draw.
    """
    if kind not in tuple(FIGURES):  # whatever was given
        msg = f"Expected a figure out of {', '.join(FIGURES)}, found {kind!r}; correct the name."
        raise ConfigError(msg)
    panels = list(_panels(kind, _seen(cells), _seen(table), shown(baseline)))
    if not panels:
        wanted = {
            "ipc": "runs with several ipc",
            "pool_size": "runs on pools of several sizes",
        }
        msg = (
            f"Expected {wanted.get(kind, 'runs')} that finished for the figure {kind}, found none; "
            f"run them, or draw another of {', '.join(FIGURES)}."
        )
        raise ConfigError(msg)
    with styled():
        return _figure(panels, _caption(kind, table, len(panels), command))


def drawable(cells: pd.DataFrame, table: pd.DataFrame, baseline: str) -> list[str]:
    """The kinds of figures that a comparison has something for."""
    return [kind for kind in FIGURES if any(islice(_panels(kind, cells, table, baseline), 1))]


def _panels(kind: str, cells: pd.DataFrame, table: pd.DataFrame, baseline: str) -> Iterable[Panel]:
    if table.empty:
        return ()
    panels: Mapping[str, Iterator[Panel]] = {
        "accuracy": accuracy_panels(cells, table),
        "differences": difference_panels(table, baseline),
        "ipc": growth_panels(table, "ipc", "ipc", "images per class"),
        "pool_size": growth_panels(table, "pool", "num_images_pool", "images in the pool"),
        "metrics": metric_panels(table),
    }
    return panels[kind]


def _seen(table: pd.DataFrame) -> pd.DataFrame:
    """The same with names as they can be drawn."""
    return table.assign(**{name: table[name].map(shown) for name in (*_NAMES, "sampler")})


def _caption(kind: str, table: pd.DataFrame, panels: int, command: str | None) -> str:
    few, most = int(table["n"].min()), int(table["n"].max())
    parts = [f"{FIGURES[kind]}. n = {few if few == most else f'{few} to {most}'} seeds."]
    if panels > MOST_PANELS:
        parts.append(f"The first {MOST_PANELS} of {panels}.")
    return " ".join([*parts, *([] if command is None else [command])])


def _figure(panels: list[Panel], caption: str) -> Figure:
    shown_here = panels[:MOST_PANELS]
    columns = min(_COLUMNS, len(shown_here))
    rows = ceil(len(shown_here) / columns)
    height = max(2.6, *(0.9 + 0.32 * panel.rows for panel in shown_here)) if len(shown_here) else 2.6
    lines = wrap(shown(caption), _LETTERS * columns)
    figure = Figure((_WIDTH * columns, height * rows + 0.14 * len(lines)), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for plot, panel in zip(grid, shown_here, strict=False):
        panel.draw(plot)
        plot.set_title("\n".join(wrap(shown(panel.title), 60)))
    for plot in islice(figure.axes, len(shown_here), None):
        plot.set_axis_off()
    figure.supxlabel("\n".join(lines), fontsize=7, x=0.01, ha="left")
    return figure


@contextmanager
def styled() -> Iterator[None]:
    """The one style of all figures, while they are drawn or saved."""
    with mpl.rc_context(_STYLE):
        yield


def saved(figure: Figure, file_format: str) -> bytes:
    """A figure as the bytes of a file, without the time at which it was made.

    Args:
        figure: as `draw` gives it.
        file_format: one of `FORMATS`.
    """
    unsaid: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None},
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    }
    content = BytesIO()
    with styled():
        figure.savefig(content, format=file_format, metadata=unsaid[file_format], dpi=150)
    return content.getvalue()


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """A figure as an element of a page that is light or dark: ids of its own, no address, the page's ink.

    Args:
        figure: as `draw` gives it.
        name: of the figure on the page, letters alone.
        label: what it shows, for a reader that does not see it.
    """
    content = BytesIO()
    with styled(), mpl.rc_context({"savefig.facecolor": "none", "svg.fonttype": "none"}):
        figure.savefig(
            content, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    svg = content.getvalue().decode()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
