"""The tables beside accuracy: what was chosen, budgets, pools, students, cost; a kind of labels each."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from semdd_lightning.evaluation import SLICE, dd_ranking, metric_correlations, student_agreement
from semdd_lightning.evaluation.cells import CHOSEN, SECONDS
from semdd_lightning.report.comparison.report_table import NOTHING, ReportTable
from semdd_lightning.report.comparison.words import labels_in_words, number, percent, varying
from semdd_lightning.report.tables import STATISTICS, readable_size


def further_tables(table: pd.DataFrame) -> Iterator[ReportTable]:
    """All of them that a comparison has, one a kind of labels each.

    Args:
        table: as `sampler_table` gives it.
    """
    axes, scores = varying(table), dd_ranking(table)
    for labels, part in table.groupby("labels", sort=False):
        kind = labels_in_words(labels)
        yield from _chosen(part, axes, kind)
        yield from _across(part, axes, "ipc", f"Top-1 % against images per class, {kind}")
        yield from _pools(part, axes, kind)
        yield from _across(part, axes, "student", f"Top-1 % of each student, {kind}")
        yield from _agreement(part, axes, kind)
        yield _cost(part, axes, kind)
        yield from _dd_ranking(scores[scores["labels"] == labels], axes, kind)


def metric_name(metric: str) -> str:
    """What people call a statistic of the chosen images."""
    return STATISTICS.get(metric, (metric.replace("_", " "), ""))[0]


def metrics_of(table: pd.DataFrame) -> list[str]:
    """The statistics of the chosen images that a table has a value of."""
    names = [name.removeprefix(CHOSEN) for name in table.columns if name.startswith(CHOSEN)]
    return [name for name in names if name != "num_images" and table[f"{CHOSEN}{name}"].notna().any()]


def _names(row: pd.Series, axes: Sequence[str]) -> list[str]:
    return [*(str(row[axis]) for axis in axes), str(row["sampler"])]


def _chosen(part: pd.DataFrame, axes: Sequence[str], kind: str) -> Iterator[ReportTable]:
    metrics = metrics_of(part)
    if not metrics:
        return
    rows = [
        [*_names(row, axes), percent(row["top1_mean"]), *(number(row[f"{CHOSEN}{name}"]) for name in metrics)]
        for _, row in part.iterrows()
    ]
    columns = [*axes, "sampler", "top-1 %", *map(metric_name, metrics)]
    yield ReportTable(f"What was chosen, beside accuracy with {kind}", columns, rows, labels=len(axes) + 1)
    found = metric_correlations(part)
    rows = []
    for place, of_place in found.groupby(list(SLICE), sort=False):
        where = dict(zip(SLICE, place, strict=True))
        told = {one["metric"]: one for one in of_place.to_dict("records")}
        rows.append([*(str(where[axis]) for axis in axes), *(_correlation(told[name]) for name in metrics)])
    title = f"Spearman's correlation with top-1 over n samplers, {kind}"
    yield ReportTable(title, [*axes, *map(metric_name, metrics)], rows, labels=len(axes))


def _correlation(found: Mapping[Hashable, Any]) -> str:
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


def _pools(part: pd.DataFrame, axes: Sequence[str], kind: str) -> Iterator[ReportTable]:
    sizes = part.groupby("pool", sort=False)["num_images_pool"].max()
    names = {pool: f"{pool} ({size:,.0f} images)" for pool, size in sizes.items() if size == size}
    yield from _across(part.replace({"pool": names}), axes, "pool", f"Top-1 % of each pool, {kind}")


def _agreement(part: pd.DataFrame, axes: Sequence[str], kind: str) -> Iterator[ReportTable]:
    found = student_agreement(part)
    others = [axis for axis in axes if axis != "student"]
    rows = [
        [
            *(str(row[axis]) for axis in others),
            f"{row['student']} and {row['other']}",
            number(row["kendall"], 2),
            str(row["n"]),
        ]
        for _, row in found.iterrows()
    ]
    if rows:
        columns = [*others, "students", "Kendall's tau", "samplers"]
        title = f"Whether students rank the samplers alike, {kind}"
        yield ReportTable(
            title, columns, rows, labels=len(others) + 1, notes=["1: alike; -1: the other way round."]
        )


def _cost(part: pd.DataFrame, axes: Sequence[str], kind: str) -> ReportTable:
    stages = [name for name in part.columns if name.endswith(SECONDS) and part[name].notna().any()]
    rows = [
        [
            *_names(row, axes),
            *(number(row[stage], 1) for stage in stages),
            *(_size(row[name]) for name in ("label_bytes", "peak_memory_bytes")),
        ]
        for _, row in part.iterrows()
    ]
    columns = [
        *axes,
        "sampler",
        *(f"{stage.removesuffix(SECONDS)} s" for stage in stages),
        "labels",
        "peak memory",
    ]
    note = "Means over runs; of what is done once, then cached (index, embed, learn), the longest."
    return ReportTable(f"What a run cost, {kind}", columns, rows, labels=len(axes) + 1, notes=[note])


def _size(size: float) -> str:
    return NOTHING if size != size else readable_size(int(size))


def _dd_ranking(found: pd.DataFrame, axes: Sequence[str], kind: str) -> Iterator[ReportTable]:
    if found.empty:
        return
    rows = [[*_names(row, axes), number(row["lrs"]), number(row["ars"])] for _, row in found.iterrows()]
    missing = sorted({text for texts in found["missing"] for text in texts.split("; ") if text})
    notes = [f"{text}, found none." for text in missing]
    known = bool(found[["lrs", "ars"]].notna().any(axis=None))
    columns = [*axes, "sampler", "LRS", "ARS"]
    title = f"DD-Ranking's scores of accuracies as fractions, {kind}"
    shown = rows if known else []
    yield ReportTable(title, columns, shown, labels=len(axes) + 1, notes=notes, on_terminal=known)
