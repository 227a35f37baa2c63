"""The cells of a comparison and their record: one entry a run, in the order of the grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

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


@with_config(RECORD | ConfigDict(extra="ignore"))  # another version may say more
@dataclass(frozen=True)
class Cell:
    """One run of a comparison: where it stands in the grid, and what became of it.

    Attributes:
        axes: its place on each of `AXES`: short names as the user wrote them, ipc and seeds as numbers.
        directory: its run directory, relative to the comparison's.
        state: finished; failed, and ``error`` says why; or waiting.
        labels: kind of the labels that it learnt from; none where nobody knows.
        error: one message of a failed cell.
        top1: test accuracy in [0, 1], after the last pass where nothing was cut short; none without a result.
        top5: the same for the best five; none with fewer classes.
        cut_short: what makes it no full run, in words; empty for a full one.
        seconds: time of each stage: ``encode``, ``select``, ``train``, ``test``.
        wall_seconds: from its start to its end, with what no stage counts; none where nobody measured it.
        label_bytes: size of the soft labels that it stored or read; none without such.
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


@with_config(RECORD | ConfigDict(extra="ignore"))
@dataclass(frozen=True)
class _Cells:
    cells: list[Cell]


def _is_place(axis: str, value: object) -> bool:
    if axis not in _NUMBERS:
        return isinstance(value, str)
    least = 1 if axis == "ipc" else 0
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST
