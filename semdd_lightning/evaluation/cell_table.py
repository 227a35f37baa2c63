"""The cells of a comparison as a table, and which of them a table of samplers may hold side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from semdd_lightning.evaluation.cells import AXES, Cell

SLICE = ("pool", "prior", "ipc", "student", "protocol", "labels")  # what one table of samplers has in common
SECONDS = "_seconds"  # how a column of a stage's time ends
CHOSEN = "chosen_"  # how a column that describes the chosen images begins


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
    """One row a cell: its axes, what became of it, its accuracies, what it chose and what it cost.

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
    finished = cells[cells["state"] == "finished"]
    places = list(SLICE)
    for place, runs in finished.groupby(places, sort=False):
        full = runs["cut_short"] == ""
        counted = runs if not full.any() else runs[full]
        without_labels = cells[places[:-1]].eq(list(place[:-1])).all(axis=1)
        unfinished = cells[without_labels & (cells["state"] != "finished")]
        left_out = pd.concat([unfinished, runs.drop(counted.index)]).sort_index()
        yield Slice(dict(zip(places, place, strict=True)), counted, left_out)
