"""What the figures of a comparison show, panel by panel; samplers can be told apart in grey, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from semdd_lightning.evaluation import SLICE, metric_correlations, slices
from semdd_lightning.evaluation.cells import CHOSEN
from semdd_lightning.report.comparison.further_tables import metric_name, metrics_of
from semdd_lightning.report.comparison.words import number, place_in_words, varying

INK, FAINT = "#1c1c1f", "#8a8a90"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8a8a90")
MARKERS, LINES = "osD^vPX*<>hp", ("-", "--", "-.", ":")


class Panel(NamedTuple):
    """One plot of a figure: its title, what draws it, and how many rows of samplers it holds."""

    title: str
    draw: Callable[[Axes], None]
    rows: int = 0


def style(place: int) -> dict[str, Any]:
    """Colour, marker and line of the sampler with that place in the grid."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place % len(LINES)],
    }


def accuracy_panels(cells: pd.DataFrame, table: pd.DataFrame) -> Iterator[Panel]:
    """Accuracy by sampler: the mean, its interval, and every seed as a dot."""
    axes, by_place = varying(table), _by_place(table)
    for part in slices(cells):
        rows = by_place[tuple(part.place.values())]
        seeds = [part.counted.loc[part.counted["sampler"] == name, "top1"] for name in rows["sampler"]]

        def draw(plot: Axes, rows: pd.DataFrame = rows, seeds: Sequence[pd.Series[float]] = seeds) -> None:
            for place, values in enumerate(seeds):
                plot.plot(100 * values, [place + 0.2] * len(values), "o", mfc="none", mec=FAINT, ms=4)
            _intervals(plot, rows, "top1_mean", "top1_half_width", [True] * len(rows))
            plot.set_xlabel("top-1 %")

        yield Panel(place_in_words(part.place, axes), draw, len(rows))


def difference_panels(table: pd.DataFrame, baseline: str) -> Iterator[Panel]:
    """Paired differences to the baseline: filled where they tell better from worse, else hollow."""
    axes = varying(table)
    for place, of_place in _by_place(table).items():
        rows = of_place[(of_place["sampler"] != baseline) & of_place["difference"].notna()]
        if rows.empty:
            continue

        def draw(plot: Axes, rows: pd.DataFrame = rows) -> None:
            plot.axvline(0, color=FAINT, linewidth=1, linestyle=":")
            _intervals(plot, rows, "difference", "half_width", rows["verdict"].isin(["better", "worse"]))
            plot.set_xlabel(f"points over {baseline}; filled: better or worse")

        yield Panel(place_in_words(dict(zip(SLICE, place, strict=True)), axes), draw, len(rows))


def growth_panels(table: pd.DataFrame, axis: str, along: str, label: str) -> Iterator[Panel]:
    """Accuracy along a number, one line a sampler.

    Args:
        table: as `sampler_table` gives it.
        axis: of the grid, whose values are put side by side.
        along: the column that says how large they are.
        label: of the horizontal axis.
    """
    samplers = list(table["sampler"].drop_duplicates())
    others = [name for name in SLICE if name != axis]
    axes = [name for name in varying(table) if name != axis]
    for place, rows in table.dropna(subset=[along]).groupby(others, sort=False):
        if rows[along].nunique() < 2:
            continue

        def draw(plot: Axes, rows: pd.DataFrame = rows) -> None:
            for sampler, line in rows.sort_values(along).groupby("sampler", sort=False):
                error = 100 * line["top1_half_width"].fillna(0)
                look = style(samplers.index(sampler))
                plot.errorbar(line[along], 100 * line["top1_mean"], error, label=sampler, capsize=2, **look)
            plot.set_xscale("log")
            sizes = sorted(rows[along].unique())
            plot.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
            plot.minorticks_off()
            plot.set(xlabel=label, ylabel="top-1 %")
            plot.legend(fontsize="small")

        yield Panel(place_in_words(dict(zip(others, place, strict=True)), axes), draw)


def metric_panels(table: pd.DataFrame) -> Iterator[Panel]:
    """Each metric of the chosen images that differs, against accuracy, one mark a sampler."""
    axes, samplers = varying(table), list(table["sampler"].drop_duplicates())
    told = metric_correlations(table).set_index([*SLICE, "metric"])["spearman"]
    for place, of_place in _by_place(table).items():
        where = place_in_words(dict(zip(SLICE, place, strict=True)), axes)
        for metric in metrics_of(of_place):
            rows = of_place.dropna(subset=[f"{CHOSEN}{metric}", "top1_mean"])

            def draw(plot: Axes, rows: pd.DataFrame = rows, metric: str = metric) -> None:
                for _, row in rows.iterrows():
                    look = style(samplers.index(row["sampler"])) | {"linestyle": "none"}
                    plot.plot(row[f"{CHOSEN}{metric}"], 100 * row["top1_mean"], label=row["sampler"], **look)
                plot.set(xlabel=metric_name(metric), ylabel="top-1 %")
                plot.legend(fontsize="small")

            if rows[f"{CHOSEN}{metric}"].nunique() > 1:
                rho = number(float(told.loc[(*place, metric)]), 2)
                yield Panel(f"{where}: Spearman {rho} (n = {len(rows)} samplers)", draw)


def _by_place(table: pd.DataFrame) -> dict[tuple[Any, ...], pd.DataFrame]:
    return {tuple(place): rows for place, rows in table.groupby(list(SLICE), sort=False)}


def _intervals(
    plot: Axes, rows: pd.DataFrame, mean: str, half_width: str, filled: Sequence[bool] | pd.Series[bool]
) -> None:
    """Means and intervals of samplers below each other, the first of the grid on top."""
    for place, (full, (_, row)) in enumerate(zip(filled, rows.iterrows(), strict=True)):
        error = None if pd.isna(row[half_width]) else 100 * row[half_width]
        plot.errorbar(
            100 * row[mean],
            place,
            xerr=error,
            fmt="D",
            color=INK,
            mfc=INK if full else "none",
            ms=5,
            capsize=3,
        )
    plot.set_yticks(range(len(rows)), list(rows["sampler"]))
    plot.set_ylim(len(rows) - 0.5, -0.5)
