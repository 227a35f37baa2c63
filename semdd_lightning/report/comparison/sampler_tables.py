"""The tables that say which sampler is better: one a slice of the grid, and one over all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from semdd_lightning.evaluation import SLICE, slices
from semdd_lightning.report.comparison.report_table import ReportTable
from semdd_lightning.report.comparison.words import (
    interval,
    labels_in_words,
    percent,
    place_in_words,
    points,
    probability,
    varying,
)

_COLUMNS = ("sampler", "n", "top-1 %", "95 % interval", "top-5 %", "difference", "p (Holm)", "won", "verdict")
_EXTRA = ("95 % interval", "top-5 %", "p (Holm)", "won")
HOW_TO_READ = (
    "Mean ± standard deviation over n seeds; 95 % intervals by Student's t. Differences to {baseline} in "
    "points, paired by seed, with half of their interval; p by the paired t test, corrected by Holm over the "
    "comparisons of a table: below 0.05 it makes the verdict. Won: seeds in which a sampler was ahead, and "
    "behind. How many seeds would do: for a power of 80 %, if the difference is as large as the one found."
)


def sampler_tables(
    cells: pd.DataFrame,
    table: pd.DataFrame,
    baseline: str,
    further: Mapping[tuple[Any, ...], Sequence[str]],
) -> Iterator[ReportTable]:
    """A table for each slice, with the runs that do not count named below.

    Args:
        cells: as `cell_table` gives them.
        table: as `sampler_table` gives it.
        baseline: the sampler that differences were taken to.
        further: notes on slices, by their places.
    """
    axes = varying(table)
    by_place = dict(iter(table.groupby(list(SLICE), sort=False)))
    for part in slices(cells):
        rows = [_row(row) for _, row in by_place[tuple(part.place.values())].iterrows()]
        notes = [f"No full runs: {part.cut_short}."] if part.cut_short else []
        if len(part.left_out):
            notes.append(f"Not counted: {_left_out(part.left_out)}.")
        notes += further.get(tuple(part.place.values()), ())
        what = "Test accuracy of runs that were cut short" if part.cut_short else "Test accuracy"
        title = f"{what}: {place_in_words(part.place, axes)}"
        yield ReportTable(title, _columns(baseline), rows, notes=notes, extra=_EXTRA)


def _columns(baseline: str) -> list[str]:
    return [f"difference to {baseline}" if name == "difference" else name for name in _COLUMNS]


def _row(row: pd.Series) -> list[str]:
    won = "" if math.isnan(row["wins"]) else f"{row['wins']:.0f} : {row['losses']:.0f}"
    return [
        str(row["sampler"]),
        str(row["n"]),
        percent(row["top1_mean"], row["top1_std"]),
        interval(row["top1_mean"], row["top1_half_width"]),
        percent(row["top5_mean"], row["top5_std"]),
        points(row["difference"], row["half_width"]),
        probability(row["p_holm"]),
        won,
        _verdict(row),
    ]


def _verdict(row: pd.Series) -> str:
    some = row["pairs"] not in (0, row["n"]) and not math.isnan(row["pairs"])
    return f"{row['verdict']} ({row['pairs']:.0f} seeds in common)" if some else str(row["verdict"])


def _left_out(runs: pd.DataFrame) -> str:
    """The runs that do not count, and why."""
    waiting = int((runs["state"] == "waiting").sum())
    others = map(_uncounted, runs[runs["state"] != "waiting"].to_dict("records"))
    return "; ".join([*others, *([f"{waiting} that wait"] if waiting else [])])


def _uncounted(run: Mapping[Any, Any]) -> str:
    seeds = [run["selection_seed"], run["training_seed"]]
    seed = f"seed {seeds[0]}" if seeds[0] == seeds[1] else f"seeds {seeds[0]} and {seeds[1]}"
    why = f"cut short, {run['cut_short']}" if run["state"] == "finished" else str(run["state"])
    return f"{run['sampler']} with {seed} ({why})"


def wins_tables(table: pd.DataFrame, baseline: str) -> Iterator[ReportTable]:
    """How often each sampler was better over all slices, one table a kind of labels.

    Args:
        table: as `sampler_table` gives it.
        baseline: the sampler that differences were taken to.
    """
    for labels, part in table.groupby("labels", sort=False):
        if part.groupby(list(SLICE)).ngroups < 2:
            continue
        rows = []
        for sampler, of_sampler in part[part["sampler"] != baseline].groupby("sampler", sort=False):
            verdicts = of_sampler["verdict"]
            better, worse = (int((verdicts == word).sum()) for word in ("better", "worse"))
            counts = [better, worse, len(verdicts) - better - worse]
            seeds = [int(of_sampler[name].sum()) for name in ("wins", "losses")]
            rows.append([str(sampler), *map(str, [*counts, *seeds])])
        title = f"Against {baseline} over all tables with {labels_in_words(labels)}"
        columns = ["sampler", "better in", "worse in", "cannot be told in", "seeds won", "seeds lost"]
        yield ReportTable(title, columns, rows)


def unfinished_table(cells: pd.DataFrame) -> Iterator[ReportTable]:
    """The cells that failed, with their errors, and how many wait; no table where all finished."""
    failed, waiting = cells[cells["state"] == "failed"], int((cells["state"] == "waiting").sum())
    if len(failed) or waiting:
        axes = (*SLICE[:-1], "sampler", "selection_seed", "training_seed")
        varied = [axis for axis in axes if cells[axis].nunique() > 1 or axis == "sampler"]
        rows = [[*(str(row[axis]) for axis in varied), row["error"]] for _, row in failed.iterrows()]
        columns = [*(axis.replace("_", " ") for axis in varied), "error"]
        notes = [f"{waiting} of {len(cells)} runs wait; the same command goes on."] if waiting else []
        yield ReportTable("Failed runs", columns, rows, labels=len(varied), notes=notes)
