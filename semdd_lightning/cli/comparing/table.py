"""What a comparison found, printed and written from its record."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from semdd_lightning.cli.run_result import read_result
from semdd_lightning.evaluation import comparison_table
from semdd_lightning.evaluation.cells import Cell, read_cells
from semdd_lightning.export import write_csv, write_json
from semdd_lightning.report import print_comparison

logger = logging.getLogger(__name__)
SLICE = ("pool", "prior", "ipc", "student", "protocol")
ALIKE = ("protocol", "quirks", "protocol_changes")  # in all cells of a slice


def report_comparison(directory: Path) -> None:
    """Print a table for each slice of the grid, where only sampler and seeds vary, and write them.

    Args:
        directory: the comparison's.
    """
    cells = read_cells(directory)
    failed = [cell for cell in cells if cell.state == "failed"]
    slices = _slices([cell for cell in cells if cell.state == "finished"])
    tables, records = [], []
    for number, part in enumerate(slices):
        samplers = list(dict.fromkeys(str(cell.axes["sampler"]) for cell in part))
        baseline = "random" if "random" in samplers else samplers[-1]
        table = comparison_table(part, baseline)
        where = {axis: part[0].axes[axis] for axis in SLICE}
        result = read_result(directory / part[0].directory)
        measured: dict[str, Any] = {key: getattr(result, key, None) for key in ALIKE}
        measured["cut_short"] = sorted({text for cell in part for text in cell.cut_short})
        records.append({**where, **measured, "samplers": json.loads(table.to_json(orient="index"))})
        tables.append(table.assign(**where))
        if len(slices) > 1:
            words = ", ".join(f"{axis} {value}" for axis, value in where.items())
            print(f"{number + 1} of {len(slices)}: {words}")
        print_comparison(table, baseline, directory, measured)
    if tables:
        write_csv(directory / "comparison.csv", pd.concat(tables), index=True)
        write_json(directory / "comparison.json", records[0] if len(records) == 1 else {"tables": records})
    if failed:
        logger.warning(
            "%d of %d cells failed, as cells.json says, the first by: %s The same command tries them again.",
            len(failed),
            len(cells),
            failed[0].error,
        )


def _slices(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells that may stand in one table, for each sampler with the seeds that all samplers have."""

    def place(cell: Cell) -> tuple[Any, ...]:
        return (*(cell.axes[axis] for axis in SLICE), cell.labels or "", bool(cell.cut_short))

    order = {key: number for number, key in enumerate(dict.fromkeys(map(place, cells)))}
    ordered = sorted(cells, key=lambda cell: order[place(cell)])
    found = []
    for _, group in groupby(ordered, key=place):
        part = list(group)
        seeds: dict[object, set[object]] = {}
        for cell in part:
            seeds.setdefault(cell.axes["sampler"], set()).add(_seeds(cell))
        shared = set.intersection(*seeds.values())
        part = [cell for cell in part if _seeds(cell) in shared]
        if part:
            found.append(part)
    return found


def _seeds(cell: Cell) -> tuple[str | int, str | int]:
    return cell.axes["selection_seed"], cell.axes["training_seed"]
