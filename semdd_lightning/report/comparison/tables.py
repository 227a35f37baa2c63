"""The tables of a comparison: which sampler is better, what it chose and cost, and which runs failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from semdd_lightning.evaluation import (
    SLICE,
    by_slice,
    dd_ranking,
    metric_correlations,
    slices,
    student_agreement,
)
from semdd_lightning.evaluation.cells import CHOSEN, SECONDS
from semdd_lightning.evaluation.statistics import BETTER, WORSE
from semdd_lightning.report.comparison.report_table import NOTHING, ReportTable
from semdd_lightning.report.comparison.words import (
    Findings,
    interval,
    labels_in_words,
    number,
    percent,
    place_in_words,
    probability,
    varying,
)
from semdd_lightning.report.tables import STATISTICS, readable_size

Notes = Mapping[tuple[Any, ...], Sequence[str]]  # sentences below the table of a slice, by its place
Column = tuple[str, Callable[[Mapping[Any, Any]], str]]  # its head, and what stands in it of a row
HOW_TO_READ = (
    "Mean ± standard deviation over n seeds; 95 % intervals by Student's t. Differences to {baseline} in "
    "points, paired by seed, with half of their interval; p by the paired t test, corrected by Holm over the "
    "comparisons of a table: below 0.05 it makes the verdict. Won: seeds in which a sampler was ahead, and "
    "behind. How many seeds would do: for a power of 80 %, if the difference is as large as the one found."
)


def comparison_tables(found: Findings, notes: Notes) -> list[ReportTable]:
    """All tables of a comparison, in the order in which one reads them.

    Args:
        found: what there is to be told.
        notes: what is to be said below the table of a slice.
    """
    axes, scores = varying(found.table), dd_ranking(found.table)
    tables = [*_accuracies(found, axes, notes)]
    kinds = [(labels_in_words(labels), part) for labels, part in found.table.groupby("labels", sort=False)]
    for kind, part in kinds:
        tables += _wins(part, found.baseline, kind)
    for kind, part in kinds:
        tables += [
            *_chosen(part, axes, kind),
            *_across(part, axes, "ipc", f"Top-1 % against images per class, {kind}"),
            *_across(_with_sizes(part), axes, "pool", f"Top-1 % of each pool, {kind}"),
            *_across(part, axes, "student", f"Top-1 % of each student, {kind}"),
            *_agreement(part, axes, kind),
            _cost(part, axes, kind),
            *_dd_ranking(scores[scores["labels"] == part["labels"].iloc[0]], axes, kind),
        ]
    trimmed = [one.trimmed() for one in (*tables, *_unfinished(found.cells))]
    return [one for one in trimmed if len(one.columns) > one.labels or not one.rows]


def metric_name(metric: str) -> str:
    """What people call a statistic of the chosen images."""
    return STATISTICS.get(metric, (metric.replace("_", " "), ""))[0]


def metrics_of(table: pd.DataFrame) -> list[str]:
    """The statistics of the chosen images that a table has a value of."""
    names = [name.removeprefix(CHOSEN) for name in table.columns if name.startswith(CHOSEN)]
    return [name for name in names if name != "num_images" and table[f"{CHOSEN}{name}"].notna().any()]


def _table(
    title: str,
    rows: pd.DataFrame,
    names: Sequence[str],
    columns: Sequence[Column],
    **options: Any,  # noqa: ANN401 - of `ReportTable`
) -> ReportTable:
    """A table of a row each: its names, as they are, and what the columns make of it."""
    texts = [
        [*(str(row[name]) for name in names), *(text(row) for _, text in columns)]
        for row in rows.to_dict("records")
    ]
    heads = [*names, *(head for head, _ in columns)]
    return ReportTable(title, heads, texts, labels=len(names), **options)


def _number(head: str, column: str, words: Callable[[float], str] = number) -> Column:
    return head, lambda row: words(row[column])


def _accuracies(found: Findings, axes: Sequence[str], further: Notes) -> Iterator[ReportTable]:
    """A table for each slice, with the runs that do not count named below."""
    columns: list[Column] = [
        ("n", lambda row: str(row["n"])),
        ("top-1 %", lambda row: percent(row["top1_mean"], row["top1_std"])),
        ("95 % interval", lambda row: interval(row["top1_mean"], row["top1_half_width"])),
        ("top-5 %", lambda row: percent(row["top5_mean"], row["top5_std"])),
        (f"difference to {found.baseline}", lambda row: percent(row["difference"], row["half_width"], "+")),
        _number("p (Holm)", "p_holm", probability),
        ("won", lambda row: "" if math.isnan(row["wins"]) else f"{row['wins']:.0f} : {row['losses']:.0f}"),
        ("verdict", _verdict),
    ]
    for part, (place, rows) in zip(slices(found.cells), by_slice(found.table), strict=True):
        notes = [f"No full runs: {part.cut_short}."] if part.cut_short else []
        if len(part.left_out):
            notes.append(f"Not counted: {_left_out(part.left_out)}.")
        notes += further.get(tuple(place.values()), ())
        what = "Test accuracy of runs that were cut short" if part.cut_short else "Test accuracy"
        title = f"{what}: {place_in_words(place, axes)}"
        extra = ("95 % interval", "top-5 %", "p (Holm)", "won")
        yield _table(title, rows, ["sampler"], columns, notes=notes, extra=extra)


def _verdict(row: Mapping[Any, Any]) -> str:
    some = row["pairs"] not in (0, row["n"]) and not math.isnan(row["pairs"])
    return f"{row['verdict']} ({row['pairs']:.0f} seeds in common)" if some else str(row["verdict"])


def _left_out(runs: pd.DataFrame) -> str:
    said = []
    for run in runs[runs["state"] != "waiting"].to_dict("records"):
        one, other = run["selection_seed"], run["training_seed"]
        seed = f"seed {one}" if one == other else f"seeds {one} and {other}"
        why = f"cut short, {run['cut_short']}" if run["state"] == "finished" else run["state"]
        said.append(f"{run['sampler']} with {seed} ({why})")
    waiting = len(runs) - len(said)
    return "; ".join([*said, *([f"{waiting} that wait"] if waiting else [])])


def _wins(part: pd.DataFrame, baseline: str, kind: str) -> Iterator[ReportTable]:
    """How often each sampler was better over all slices, where there are several."""
    if len(list(by_slice(part))) < 2:
        return
    rows = []
    for sampler, found in part[part["sampler"] != baseline].groupby("sampler", sort=False):
        better, worse = (int((found["verdict"] == word).sum()) for word in (BETTER, WORSE))
        seeds = [int(found[name].sum()) for name in ("wins", "losses")]
        rows.append([str(sampler), *map(str, [better, worse, len(found) - better - worse, *seeds])])
    columns = ["sampler", "better in", "worse in", "cannot be told in", "seeds won", "seeds lost"]
    yield ReportTable(f"Against {baseline} over all tables with {kind}", columns, rows)


def _chosen(part: pd.DataFrame, axes: Sequence[str], kind: str) -> Iterator[ReportTable]:
    metrics = metrics_of(part)
    if not metrics:
        return
    columns = [_number(metric_name(name), f"{CHOSEN}{name}") for name in metrics]
    title = f"What was chosen, beside accuracy with {kind}"
    top1 = _number("top-1 %", "top1_mean", percent)
    yield _table(title, part, [*axes, "sampler"], [top1, *columns])
    rows = []
    for place, of_place in by_slice(metric_correlations(part)):
        told = dict(zip(of_place["metric"], of_place.to_dict("records"), strict=True))
        rows.append([*(str(place[axis]) for axis in axes), *(_correlation(told[name]) for name in metrics)])
    title = f"Spearman's correlation with top-1 over n samplers, {kind}"
    yield ReportTable(title, [*axes, *map(metric_name, metrics)], rows, labels=len(axes))


def _correlation(found: Mapping[Any, Any]) -> str:
    """Nothing where too few samplers tell: two always agree."""
    return NOTHING if math.isnan(found["spearman"]) else f"{number(found['spearman'], 2)} (n = {found['n']})"


def _across(part: pd.DataFrame, axes: Sequence[str], axis: str, title: str) -> Iterator[ReportTable]:
    """Accuracies with the values of one axis side by side."""
    if part[axis].nunique() < 2:
        return
    others = [name for name in axes if name != axis]
    values = list(part[axis].drop_duplicates())
    values = sorted(values) if axis == "ipc" else values
    rows = []
    for place, of_place in part.groupby([*others, "sampler"], sort=False):
        told = {one[axis]: percent(one["top1_mean"], one["top1_std"]) for one in of_place.to_dict("records")}
        rows.append([*map(str, place), *(told.get(value, NOTHING) for value in values)])
    yield ReportTable(title, [*others, "sampler", *map(str, values)], rows, labels=len(others) + 1)


def _with_sizes(part: pd.DataFrame) -> pd.DataFrame:
    """The same with the number of images behind the name of each pool."""
    sizes = part.groupby("pool", sort=False)["num_images_pool"].max()
    names = {pool: f"{pool} ({size:,.0f} images)" for pool, size in sizes.items() if size == size}
    return part.replace({"pool": names})


def _agreement(part: pd.DataFrame, axes: Sequence[str], kind: str) -> Iterator[ReportTable]:
    found = student_agreement(part)
    if len(found):
        found["students"] = found["student"] + " and " + found["other"]
        names = [*(axis for axis in axes if axis != "student"), "students"]
        tau = _number("Kendall's tau", "kendall", partial(number, digits=2))
        title = f"Whether students rank the samplers alike, {kind}"
        notes = ["1: alike; -1: the other way round."]
        yield _table(title, found, names, [tau, ("samplers", lambda row: str(row["n"]))], notes=notes)


def _cost(part: pd.DataFrame, axes: Sequence[str], kind: str) -> ReportTable:
    stages = [name for name in part.columns if name.endswith(SECONDS) and part[name].notna().any()]
    columns = [_number(f"{name.removesuffix(SECONDS)} s", name, partial(number, digits=1)) for name in stages]
    columns += [_number("labels", "label_bytes", _size), _number("peak memory", "peak_memory_bytes", _size)]
    note = "Means over runs; of what is done once, then cached (index, embed, learn), the longest."
    return _table(f"What a run cost, {kind}", part, [*axes, "sampler"], columns, notes=[note])


def _size(size: float) -> str:
    return NOTHING if math.isnan(size) else readable_size(int(size))


def _dd_ranking(found: pd.DataFrame, axes: Sequence[str], kind: str) -> Iterator[ReportTable]:
    if found.empty:
        return
    missing = sorted({text for texts in found["missing"] for text in texts.split("; ") if text})
    notes = [f"{text}, found none." for text in missing]
    known = bool(found[["lrs", "ars"]].notna().any(axis=None))
    columns = [_number("LRS", "lrs"), _number("ARS", "ars")]
    title, rows = f"DD-Ranking's scores of accuracies as fractions, {kind}", found if known else found[:0]
    yield _table(title, rows, [*axes, "sampler"], columns, notes=notes, on_terminal=known)


def _unfinished(cells: pd.DataFrame) -> Iterator[ReportTable]:
    """The cells that failed, with their errors, and how many wait; no table where all finished."""
    failed, waiting = cells[cells["state"] == "failed"], int((cells["state"] == "waiting").sum())
    if len(failed) or waiting:
        axes = (*SLICE[:-1], "sampler", "selection_seed", "training_seed")
        varied = [axis for axis in axes if cells[axis].nunique() > 1 or axis == "sampler"]
        notes = [f"{waiting} of {len(cells)} runs wait; the same command goes on."] if waiting else []
        named = failed.rename(columns=lambda name: name.replace("_", " "))
        names = [axis.replace("_", " ") for axis in varied]
        yield _table("Failed runs", named, names, [_number("error", "error", str)], notes=notes)
