"""Figures of a comparison in one style that also works in grey, each with n and the command below it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from io import BytesIO
from itertools import islice
from math import ceil
from textwrap import wrap
from typing import Any, NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from semdd_lightning.errors import ConfigError
from semdd_lightning.evaluation import SLICE, by_slice, metric_correlations, slices
from semdd_lightning.evaluation.cells import CHOSEN
from semdd_lightning.evaluation.statistics import BETTER, WORSE
from semdd_lightning.names import shown
from semdd_lightning.report.comparison.tables import metric_name, metrics_of
from semdd_lightning.report.comparison.words import Findings, number, place_in_words, varying

FIGURES = {  # kind -> what it shows
    "accuracy": "Test accuracy by sampler: mean, 95 % interval and single seeds",
    "differences": "Paired differences to the baseline with 95 % intervals",
    "ipc": "Test accuracy against images per class, with 95 % intervals",
    "pool_size": "Test accuracy against the size of the pool, with 95 % intervals",
    "metrics": "What describes the chosen images against test accuracy",
}
FORMATS = ("png", "pdf", "svg")
MOST_PANELS = 24
INK, FAINT = "#1c1c1f", "#8a8a90"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8a8a90")
MARKERS, LINES = "osD^vPX*<>hp", ("-", "--", "-.", ":")
_WIDTH, _COLUMNS, _LETTERS = 4.4, 3, 75  # of a panel in inches, panels in a row, letters of a line below one
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
_UNSAID: dict[str, dict[str, Any]] = {  # when and by what a file was made
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
}


class Panel(NamedTuple):
    """One plot of a figure: its title, what draws it, and how many rows of samplers it holds."""

    title: str
    draw: Callable[[Axes], None]
    rows: int = 0


def draw(kind: str, found: Findings, command: str | None) -> Figure:
    """A figure of a comparison.

    Args:
        kind: one of `FIGURES`.
        found: what there is to be told.
        command: what made the comparison, as a shell takes it; None where nobody knows.

    Raises:
        ConfigError: if there is no such kind, or nothing of this kind to draw.
    """
    if kind not in tuple(FIGURES):  # whatever was given
        msg = f"Expected a figure out of {', '.join(FIGURES)}, found {kind!r}; correct the name."
        raise ConfigError(msg)
    cells, table = (_seen(one) for one in (found.cells, found.table))
    panels = list(_panels(kind, Findings(cells, table, shown(found.baseline))))
    if not panels:
        wanted = {"ipc": "runs with several ipc", "pool_size": "runs on pools of several sizes"}
        msg = (
            f"Expected {wanted.get(kind, 'runs')} that finished for the figure {kind}, found none; "
            f"run them, or draw another of {', '.join(FIGURES)}."
        )
        raise ConfigError(msg)
    few, most = int(table["n"].min()), int(table["n"].max())
    caption = f"{FIGURES[kind]}. n = {few if few == most else f'{few} to {most}'} seeds."
    if len(panels) > MOST_PANELS:
        caption += f" The first {MOST_PANELS} of {len(panels)}."
    with mpl.rc_context(_STYLE):
        return _figure(panels[:MOST_PANELS], caption if command is None else f"{caption} {command}")


def drawable(found: Findings) -> list[str]:
    """The kinds of figures that a comparison has something for."""
    return [kind for kind in FIGURES if any(islice(_panels(kind, found), 1))]


def saved(figure: Figure, file_format: str) -> bytes:
    """A figure as the bytes of a file, without the time at which it was made.

    Args:
        figure: as `draw` gives it.
        file_format: one of `FORMATS`.
    """
    content = BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(content, format=file_format, metadata=_UNSAID[file_format], dpi=150)
    return content.getvalue()


def inline_svg(figure: Figure, kind: str) -> str:
    """A figure as an element of a page that is light or dark: ids of its own, no address, the page's ink.

    Args:
        figure: as `draw` gives it; from here on its parts stay where they are.
        kind: which of `FIGURES` it is; a page holds one of each.
    """
    content, engine = BytesIO(), figure.get_layout_engine()
    with mpl.rc_context({**_STYLE, "savefig.facecolor": "none", "svg.fonttype": "none"}):
        if engine is not None:  # else matplotlib would draw all of it once more to lay it out
            FigureCanvasSVG(figure)
            figure.dpi = 72  # of SVG
            engine.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(content, format="svg", metadata=_UNSAID["svg"])
    svg = content.getvalue().decode()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{kind}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(FIGURES[kind])}"', 1)


def _seen(table: pd.DataFrame) -> pd.DataFrame:
    """The same with names as they can be drawn."""
    names = ("pool", "prior", "student", "protocol", "sampler")
    return table.assign(**{name: table[name].map(shown) for name in names})


def _figure(panels: Sequence[Panel], caption: str) -> Figure:
    columns = min(_COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)
    height = max(2.6, *(0.9 + 0.32 * panel.rows for panel in panels))
    lines = wrap(shown(caption), _LETTERS * columns)
    figure = Figure((_WIDTH * columns, height * rows + 0.14 * len(lines)), layout="constrained")
    plots = list(figure.subplots(rows, columns, squeeze=False).flat)
    for plot, panel in zip(plots, panels, strict=False):
        panel.draw(plot)
        plot.set_title("\n".join(wrap(shown(panel.title), 60)))
    for plot in plots[len(panels) :]:
        plot.set_axis_off()
    figure.supxlabel("\n".join(lines), fontsize=7, x=0.01, ha="left")
    return figure


def _panels(kind: str, found: Findings) -> Iterator[Panel]:
    if found.table.empty:
        return iter(())
    panels: Mapping[str, Iterator[Panel]] = {
        "accuracy": _accuracy_panels(found),
        "differences": _difference_panels(found.table, found.baseline),
        "ipc": _growth_panels(found.table, "ipc", "ipc", "images per class"),
        "pool_size": _growth_panels(found.table, "pool", "num_images_pool", "images in the pool"),
        "metrics": _metric_panels(found.table),
    }
    return panels[kind]


def _accuracy_panels(found: Findings) -> Iterator[Panel]:
    """Accuracy by sampler: the mean, its interval, and every seed as a dot."""
    axes = varying(found.table)
    for part, (place, of_place) in zip(slices(found.cells), by_slice(found.table), strict=True):
        runs = part.counted

        def draw(plot: Axes, rows: pd.DataFrame = of_place, runs: pd.DataFrame = runs) -> None:
            for height, sampler in enumerate(rows["sampler"]):
                values = 100 * runs.loc[runs["sampler"] == sampler, "top1"]
                plot.plot(values, [height + 0.2] * len(values), "o", mfc="none", mec=FAINT, ms=4)
            _intervals(plot, rows, "top1_mean", "top1_half_width", [True] * len(rows))
            plot.set_xlabel("top-1 %")

        yield Panel(place_in_words(place, axes), draw, len(of_place))


def _difference_panels(table: pd.DataFrame, baseline: str) -> Iterator[Panel]:
    """Paired differences to the baseline: filled where they tell better from worse, else hollow."""
    axes = varying(table)
    for place, of_place in by_slice(table):
        compared = of_place[(of_place["sampler"] != baseline) & of_place["difference"].notna()]
        if compared.empty:
            continue

        def draw(plot: Axes, rows: pd.DataFrame = compared) -> None:
            told = rows["verdict"].isin([BETTER, WORSE]).tolist()
            plot.axvline(0, color=FAINT, linewidth=1, linestyle=":")
            _intervals(plot, rows, "difference", "half_width", told)
            plot.set_xlabel(f"points over {baseline}; filled: better or worse")

        yield Panel(place_in_words(place, axes), draw, len(compared))


def _intervals(plot: Axes, rows: pd.DataFrame, mean: str, half_width: str, filled: Sequence[bool]) -> None:
    """Means and intervals of samplers below each other, the first of the grid on top."""
    look: dict[str, Any] = {"fmt": "D", "color": INK, "ms": 5, "capsize": 3}
    for height, (full, (_, row)) in enumerate(zip(filled, rows.iterrows(), strict=True)):
        error = None if pd.isna(row[half_width]) else 100 * row[half_width]
        plot.errorbar(100 * row[mean], height, xerr=error, mfc=INK if full else "none", **look)
    plot.set_yticks(range(len(rows)), list(rows["sampler"]))
    plot.set_ylim(len(rows) - 0.5, -0.5)


def _growth_panels(table: pd.DataFrame, axis: str, along: str, label: str) -> Iterator[Panel]:
    """Accuracy along a number that grows with an axis of the grid, one line per sampler."""
    looks = _looks(table)
    others = [name for name in SLICE if name != axis]
    axes = [name for name in varying(table) if name != axis]
    for place, of_place in table.dropna(subset=[along]).groupby(others, sort=False):
        if of_place[along].nunique() < 2:
            continue

        def draw(plot: Axes, rows: pd.DataFrame = of_place) -> None:
            for sampler, line in rows.sort_values(along).groupby("sampler", sort=False):
                error = 100 * line["top1_half_width"].fillna(0)
                look = {"label": sampler, "capsize": 2, **looks[sampler]}
                plot.errorbar(line[along], 100 * line["top1_mean"], error, **look)
            plot.set_xscale("log")
            sizes = sorted(rows[along].unique())
            plot.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
            plot.minorticks_off()
            plot.set(xlabel=label, ylabel="top-1 %")
            plot.legend(fontsize="small")

        yield Panel(place_in_words(dict(zip(others, place, strict=True)), axes), draw)


def _metric_panels(table: pd.DataFrame) -> Iterator[Panel]:
    """Each metric of the chosen images that differs, against accuracy, one mark a sampler."""
    axes, looks = varying(table), _looks(table)
    told = metric_correlations(table).set_index([*SLICE, "metric"])["spearman"]
    for place, of_place in by_slice(table):
        for metric in metrics_of(of_place):
            known = of_place.dropna(subset=[f"{CHOSEN}{metric}", "top1_mean"])

            def draw(plot: Axes, rows: pd.DataFrame = known, metric: str = metric) -> None:
                for row in rows.to_dict("records"):
                    look = {"label": row["sampler"], **looks[row["sampler"]], "linestyle": "none"}
                    plot.plot(row[f"{CHOSEN}{metric}"], 100 * row["top1_mean"], **look)
                plot.set(xlabel=metric_name(metric), ylabel="top-1 %")
                plot.legend(fontsize="small")

            if known[f"{CHOSEN}{metric}"].nunique() > 1:
                rho = number(float(told.loc[(*place.values(), metric)]), 2)
                title = f"{place_in_words(place, axes)}: Spearman {rho} (n = {len(known)} samplers)"
                yield Panel(title, draw)


def _looks(table: pd.DataFrame) -> dict[Any, dict[str, Any]]:
    return {
        sampler: {
            "color": COLOURS[place % len(COLOURS)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": LINES[place % len(LINES)],
        }
        for place, sampler in enumerate(table["sampler"].drop_duplicates())
    }
