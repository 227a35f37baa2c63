"""The cells of a comparison: their record, one entry per run; their table, cut into slices of samplers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import ConfigDict, Field, with_config

from semdd_lightning.errors import RunError
from semdd_lightning.records import RECORD, read_record, write_record

CELLS = "cells.json"
AXES = ("pool", "prior", "sampler", "ipc", "student", "protocol", "selection_seed", "training_seed")
_NUMBERS = ("ipc", "selection_seed", "training_seed")
_LARGEST = 2**53  # whole numbers that a table holds exactly
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=_LARGEST)]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]
SLICE = ("pool", "prior", "ipc", "student", "protocol", "labels")  # what one table of samplers has in common
SECONDS = "_seconds"  # how a column of a stage's time ends
CHOSEN = "chosen_"  # how a column that describes the chosen images begins


@with_config(RECORD | ConfigDict(extra="ignore"))  # another version may say more
@dataclass(frozen=True)
class Cell:
    """One run of a comparison: where it stands in the grid, and what became of it.

    Attributes:
        axes: its place on each of `AXES`: short names as the user wrote them, ipc and seeds as numbers.
        directory: its run directory, relative to the comparison's.
        state: finished; failed, and ``error`` says why; or waiting.
        labels: kind of the labels that it learnt from; None where nobody knows.
        error: one message of a failed cell.
        top1: test accuracy in [0, 1], after the last pass where nothing was cut short; None without a result.
        top5: the same for the best five; None with fewer classes.
        cut_short: what makes it no full run, in words; empty for a full one.
        seconds: time of each stage: ``encode``, ``select``, ``train``, ``test``.
        wall_seconds: from its start to its end, with what no stage counts; None where nobody measured it.
        label_bytes: size of the soft labels that it stored or read; None without such.
        peak_memory_bytes: largest memory on the GPU, else of the process.
        selection: statistics of the subsets ``pool``, ``candidates``, ``selection`` and ``random``.
        num_images_pool: images that could be chosen from.
        command: what runs this cell alone, word by word.
    """

    axes: dict[str, str | int]
    directory: str
    state: Literal["finished", "failed", "waiting"] = "waiting"
    labels: Literal["hard", "online", "static", "stored"] | None = None
    error: str | None = None
    top1: Share | None = None
    top5: Share | None = None
    cut_short: list[str] = field(default_factory=list)
    seconds: dict[str, Amount] = field(default_factory=dict)
    wall_seconds: Amount | None = None
    label_bytes: Count | None = None
    peak_memory_bytes: Count | None = None
    selection: dict[str, dict[str, float | None]] = field(default_factory=dict)
    num_images_pool: Count | None = None
    command: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        wrong = [name for name in AXES if not _is_place(name, self.axes.get(name))]
        if wrong or len(self.axes) > len(AXES):
            msg = f"Expected a place on each of {', '.join(AXES)}, found {self.axes}; make the cell again."
            raise RunError(msg)
        if (self.state == "finished") != (self.top1 is not None) or (self.state == "failed") != bool(
            self.error
        ):
            msg = (
                "Expected a finished cell with its accuracy, or a failed one with its error, found "
                f"{self.state} with top-1 {self.top1} and error {self.error!r}; make the cell again."
            )
            raise RunError(msg)


def write_cells(directory: Path, cells: Sequence[Cell]) -> None:
    """Write ``cells.json`` of a comparison.

    Args:
        directory: the comparison's.
        cells: all of them, in the order of the grid.
    """
    write_record(directory / CELLS, {"cells": [asdict(cell) for cell in cells]})


def read_cells(directory: Path) -> list[Cell]:
    """The cells of a comparison, in the order of the grid.

    Args:
        directory: the comparison's.

    Raises:
        RunError: if there is no such record, it was changed, or a place of the grid is there twice.
    """
    advice = "give the directory of a comparison, or give its command again, which writes it anew"
    cells = read_record(directory / CELLS, _Cells, RunError, advice).cells
    places = Counter(tuple(cell.axes[name] for name in AXES) for cell in cells)
    if not cells:
        msg = f"Expected cells in {directory / CELLS}, found none; {advice}."
        raise RunError(msg)
    if len(places) < len(cells):
        ((twice, _),) = places.most_common(1)
        msg = f"Expected every cell once in {directory / CELLS}, found {twice} twice; {advice}."
        raise RunError(msg)
    return cells


@dataclass(frozen=True)
class Slice:
    """Runs that may share a table: those that differ in sampler and seeds alone.

    Attributes:
        place: what they have in common, by the names of `SLICE`.
        counted: the runs whose accuracies count, one row each.
        left_out: those of the same place that do not count: failed, waiting, or cut short beside full ones.
    """

    place: Mapping[str, Any]
    counted: pd.DataFrame
    left_out: pd.DataFrame

    @property
    def cut_short(self) -> str:
        """What cut all of these runs short; empty for full ones."""
        return "; ".join(sorted(set(self.counted["cut_short"]) - {""}))


def cell_table(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row per cell: its axes, what became of it, its accuracies, what it chose and what it cost.

    Args:
        cells: as `read_cells` gives them.
    """
    known = ("state", "directory", "top1", "top5", "label_bytes", "peak_memory_bytes")
    rows = [
        {
            **{axis: cell.axes[axis] for axis in AXES},
            "labels": cell.labels or "unknown",
            **{name: getattr(cell, name) for name in (*known, "num_images_pool")},
            f"wall{SECONDS}": cell.wall_seconds,
            "error": cell.error or "",
            "cut_short": "; ".join(cell.cut_short),
            **{f"{stage}{SECONDS}": seconds for stage, seconds in cell.seconds.items()},
            **{f"{CHOSEN}{name}": value for name, value in cell.selection.get("selection", {}).items()},
        }
        for cell in cells
    ]
    columns = [*AXES, "labels", *known, "num_images_pool", "error", "cut_short"]
    table = pd.DataFrame(rows, columns=None if rows else columns)
    numbers = ["top1", "top5", "label_bytes", "peak_memory_bytes", "num_images_pool"]
    return table.astype(dict.fromkeys(numbers, "float64"))


def slices(cells: pd.DataFrame) -> Iterator[Slice]:
    """The tables that a comparison has, in the order of its grid.

    Hard and soft labels never share one. A run that was cut short counts only where all of its slice were.

    Args:
        cells: as `cell_table` gives them.
    """
    finished = cells["state"] == "finished"
    axes = list(SLICE[:-1])  # nobody knows the labels of a run that is not finished
    for place, runs in by_slice(cells[finished]):
        full = runs["cut_short"] == ""
        counted = runs if not full.any() else runs[full]
        unfinished = cells[cells[axes].eq([place[axis] for axis in axes]).all(axis=1) & ~finished]
        left_out = pd.concat([unfinished, runs.drop(counted.index)]).sort_index()
        yield Slice(place, counted, left_out)


def by_slice(table: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The place of each slice, by the names of `SLICE`, and its rows.

    Args:
        table: of cells, or as `sampler_table` gives it.
    """
    for place, rows in table.groupby(list(SLICE), sort=False):
        yield dict(zip(SLICE, place, strict=True)), rows


@with_config(RECORD | ConfigDict(extra="ignore"))
@dataclass(frozen=True)
class _Cells:
    cells: list[Cell]


def _is_place(axis: str, value: object) -> bool:
    if axis not in _NUMBERS:
        return isinstance(value, str)
    least = 1 if axis == "ipc" else 0
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST
