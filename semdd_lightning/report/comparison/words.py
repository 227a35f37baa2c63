"""Numbers and places of a comparison in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from semdd_lightning.evaluation import SLICE, by_slice
from semdd_lightning.evaluation.statistics import BETTER, WORSE
from semdd_lightning.report.comparison.report_table import NOTHING
from semdd_lightning.report.tables import KINDS

_BARE = ("pool", "student")  # whose names say what they are


class Findings(NamedTuple):
    """What there is to be told of a comparison.

    Attributes:
        cells: as `cell_table` gives them.
        table: as `sampler_table` gives it.
        baseline: the sampler that its differences were taken to.
    """

    cells: pd.DataFrame
    table: pd.DataFrame
    baseline: str


def labels_in_words(labels: object) -> str:
    """The kind of labels, as ``hard labels`` or ``soft labels (online)``."""
    kind, _, how = KINDS.get(str(labels), "unknown").partition(", ")
    return f"{kind} labels ({how})" if how else f"{kind} labels"


def varying(table: pd.DataFrame) -> list[str]:
    """The axes of a slice that tell a table's rows apart.

    Labels, which part tables anyway, are none of them, nor what follows from the pool, as a prior of its own.

    Args:
        table: as `sampler_table` gives it.
    """
    pools = table.groupby("pool")
    return [
        axis
        for axis in SLICE
        if axis != "labels" and (len(pools) if axis == "pool" else pools[axis].nunique().max()) > 1
    ]


def place_in_words(place: Mapping[str, Any], axes: Sequence[str]) -> str:
    """Where a slice stands on some axes, and its labels.

    Examples:
        >>> place_in_words({"pool": "woof", "ipc": 10, "labels": "hard"}, ["pool", "ipc"])
        'woof, ipc 10, hard labels'
    """
    parts = [str(place[axis]) if axis in _BARE else f"{axis} {place[axis]}" for axis in axes]
    return ", ".join([*parts, labels_in_words(place["labels"])])


def percent(mean: float, plus_minus: float = math.nan, sign: str = "") -> str:
    """An accuracy, or a difference of two, in percent, with its deviation where there is one.

    Args:
        mean: as a fraction.
        plus_minus: half of what stands behind the sign of both.
        sign: ``+`` for a difference, which shows its sign.

    Examples:
        >>> percent(0.5, 0.0123), percent(0.012, 0.004, "+"), percent(float("nan"))
        ('50.00 ± 1.23', '+1.20 ± 0.40', '-')
    """
    if math.isnan(mean):
        return NOTHING
    return f"{100 * mean:{sign}.2f}" + ("" if math.isnan(plus_minus) else f" ± {100 * plus_minus:.2f}")


def interval(mean: float, half_width: float) -> str:
    """The ends of an interval in percent.

    Examples:
        >>> interval(0.5, 0.01)
        '49.00 to 51.00'
    """
    if math.isnan(half_width):
        return NOTHING
    return f"{percent(mean - half_width)} to {percent(mean + half_width)}"


def probability(p_value: float) -> str:
    """A p-value with three digits behind the point.

    Examples:
        >>> probability(0.0123), probability(0.00001)
        ('0.012', '<0.001')
    """
    return "<0.001" if p_value < 0.001 else number(p_value)


def number(value: float, digits: int = 3) -> str:
    """A number with a fixed count of digits behind the point, or a dash."""
    return NOTHING if math.isnan(value) else f"{value:,.{digits}f}"


def sentences(found: Findings) -> list[str]:
    """What the numbers allow to say, one sentence a slice."""
    axes, told = varying(found.table), []
    for place, rows in by_slice(found.table[found.table["sampler"] != found.baseline]):
        groups: dict[str, list[str]] = {}
        for row in rows.to_dict("records"):
            head, _, tail = row["verdict"].partition("; ")
            difference = percent(row["difference"], sign="+")
            said = ", ".join(part for part in (difference, tail) if part not in ("", NOTHING))
            groups.setdefault(head, []).append(f"{row['sampler']} ({said})" if said else row["sampler"])
        order = sorted(groups, key=lambda head: (head != BETTER, head != WORSE))
        parts = [f"{head}: {', '.join(groups[head])}" for head in order]
        where = place_in_words(place, axes)
        told.append(f"Against {found.baseline} ({where}): {'; '.join(parts)}.")
    return told
