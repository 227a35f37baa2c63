"""How far a comparison is and what is left, in a table and in lines."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from semdd_lightning.evaluation import Cell
from semdd_lightning.studies.reporting import CellsProgress
from semdd_lightning.studies.runs import Runs

AXES: dict[str, str | int] = {
    **{"pool": "p", "prior": "c", "sampler": "random", "ipc": 1, "student": "s", "protocol": "hard"},
    **{"selection_seed": 0, "training_seed": 0},
}


def cell(seconds: float | None = None, **axes: str | int) -> Cell:
    place = {**AXES, **axes}
    name = "-".join(map(str, place.values()))
    if seconds is None:
        return Cell(place, name)
    return Cell(place, name, "finished", top1=0.25, seconds={"train": 1.0}, wall_seconds=seconds)


def progress(cells: list[Cell], at_a_time: int = 1, out: Path = Path("nowhere")) -> CellsProgress:
    return CellsProgress(cast("Runs", SimpleNamespace(cells=cells, out=out)), at_a_time)


def test_time_is_that_of_finished_cells_of_the_same_kind() -> None:
    waiting = [cell(training_seed=2), cell(training_seed=3), cell(ipc=10)]
    assert progress(waiting).seconds_left() is None
    cells = [cell(10.0), cell(20.0, training_seed=1), *waiting]
    assert progress(cells).seconds_left() == 15 + 15 + 15, "a kind that nobody saw counts as the mean of all"
    assert progress(cells, 3).seconds_left() == 15
    cells[1] = cell(100.0, ipc=10)
    assert progress(cells).seconds_left() == 10 + 10 + 100
    old = Cell(AXES, "old", "finished", top1=0.5, seconds={"train": 3.0, "test": 1.0})
    assert progress([old, cell(training_seed=1)]).seconds_left() == 4, "where nobody measured it, its stages"


def test_an_estimate_says_what_cannot_be_known(tmp_path: Path) -> None:
    cells = [cell(90.0), cell(training_seed=1), cell(training_seed=2), cell(ipc=10)]
    (tmp_path / cells[0].directory).mkdir()
    (tmp_path / cells[0].directory / "last.ckpt").write_bytes(bytes(2048))
    assert progress(cells, out=tmp_path).estimate() == (
        "About 0:03:00 and 4.00 KiB, by finished cells alike; of 1 cells it cannot be known."
    )
    assert (
        progress(cells[:3], 2, tmp_path).estimate() == "About 0:01:30 and 4.00 KiB, by finished cells alike."
    )
    assert progress(cells[1:], out=tmp_path).estimate().startswith("Time and bytes cannot be known")
    assert progress(cells[:1], out=tmp_path).estimate() == "Nothing is left to run."


def test_a_table_on_a_terminal_and_lines_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    runs: Any = SimpleNamespace(cells=[cell(), cell(training_seed=1), cell(training_seed=2)])
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    caplog.set_level(logging.INFO, "semdd_lightning")
    with CellsProgress(cast("Runs", runs), console=console) as progress:
        progress.begun(0)
        progress.live.refresh()
        shown = cast("io.StringIO", console.file).getvalue()
        assert "0 of 3" in shown
        assert "p-c-random-1-s-hard-0-0" in shown
        assert "not known yet" in shown
        runs.cells[0] = cell(60.0)
        progress.ended(0)
        progress.begun(1)
        runs.cells[1] = Cell(runs.cells[1].axes, "b", "failed", error="Expected [/red] markup.")
        progress.ended(1)
        progress.live.refresh()
    shown = cast("io.StringIO", console.file).getvalue()
    assert "1 of 3" in shown
    assert "about 0:02:00" in shown
    assert caplog.messages == [
        "1 of 3 cells: p-c-random-1-s-hard-0-0: top-1 25.00 %; about 0:02:00 left",
        "2 of 3 cells: b: failed: Expected [/red] markup.; about 0:02:00 left",
    ]
