"""The progress of a comparison, in a live table or a line for each cell that ends, and what is left of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from types import TracebackType

from rich.console import Console
from rich.live import Live

from semdd_lightning.evaluation.cells import Cell
from semdd_lightning.names import get_logger
from semdd_lightning.report import readable_size
from semdd_lightning.report.tables import FoldingTable, plain
from semdd_lightning.studies.comparing.runs import Runs

logger = get_logger(__name__)


class CellsProgress:
    """Says which cells run and how long the others will take.

    Args:
        runs: the cells.
        at_a_time: how many run side by side.
        console: where to show the table; stderr if none.
    """

    def __init__(self, runs: Runs, at_a_time: int = 1, console: Console | None = None) -> None:
        self.runs, self.at_a_time = runs, at_a_time
        self.running: list[Cell] = []
        self.console = console or Console(stderr=True)
        self.live = Live(
            get_renderable=self.table, console=self.console, refresh_per_second=1, transient=True
        )

    def __enter__(self) -> CellsProgress:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def begun(self, cell: Cell) -> None:
        """A cell runs from now on."""
        self.running.append(cell)

    def ended(self, cell: Cell) -> None:
        """A cell is finished or failed, and ``runs`` knows it."""
        self.running = [other for other in self.running if other.axes != cell.axes]
        if cell.state == "failed":
            what = f"failed: {cell.error}"
        else:
            what = f"top-1 {100 * cell.top1:.2f} %" if cell.top1 is not None else "left to another process"
        left = seconds_left(self.runs.cells, self.at_a_time)
        more = "" if left is None or not self._count()["waiting"] else f"; about {in_words(left)} left"
        done = self._count()["finished"] + self._count()["failed"]
        logger.info("%d of %d cells: %s: %s%s", done, len(self.runs.cells), cell.directory, what, more)

    def table(self) -> FoldingTable:
        """What a terminal shows."""
        found, left = self._count(), seconds_left(self.runs.cells, self.at_a_time)
        shown = FoldingTable(title="semdd compare", show_header=False)
        shown.add_row("finished", f"{found['finished']} of {len(self.runs.cells)}")
        shown.add_row("failed", str(found["failed"]))
        shown.add_row("running", plain(", ".join(cell.directory for cell in self.running) or "none"))
        shown.add_row("time left", "not known yet" if left is None else f"about {in_words(left)}")
        return shown

    def _count(self) -> Counter[str]:
        return Counter(cell.state for cell in self.runs.cells)


KIND = ("pool", "ipc", "student", "protocol")  # what time and size of a run depend on most


def seconds_left(cells: Sequence[Cell], at_a_time: int = 1) -> float | None:
    """Seconds until no cell waits; none before one is finished.

    A cell of a kind that was not seen yet counts as the mean of all that were.

    Args:
        cells: all of a grid.
        at_a_time: how many run side by side.
    """
    done = [_seconds(cell) for cell in cells if cell.state == "finished"]
    if not done:
        return None
    known, unknown = total(cells, _seconds)
    return (known + unknown * fmean(done)) / at_a_time


def total(cells: Sequence[Cell], measure: Callable[[Cell], float]) -> tuple[float, int]:
    """Sum of a measure over unfinished cells by the mean of their kind, and how many have no such kind.

    Args:
        cells: all of a grid.
        measure: of a finished cell.
    """
    kinds: dict[tuple[str | int, ...], list[float]] = {}
    for cell in cells:
        if cell.state == "finished":
            kinds.setdefault(_kind(cell), []).append(measure(cell))
    waiting = [_kind(cell) for cell in cells if cell.state != "finished"]
    known = [fmean(kinds[kind]) for kind in waiting if kind in kinds]
    return sum(known), len(waiting) - len(known)


def estimate_in_words(cells: Sequence[Cell], out: Path, at_a_time: int = 1) -> str:
    """Time and bytes that a comparison will still take, as far as that can be known.

    Args:
        cells: all of the grid.
        out: where they lie.
        at_a_time: how many run side by side.
    """
    seconds, unknown = total(cells, _seconds)
    size, _ = total(cells, lambda cell: _bytes(out / cell.directory))
    waiting = sum(cell.state != "finished" for cell in cells)
    if not waiting:
        return "Nothing is left to run."
    if unknown == waiting:
        return (
            "Time and bytes cannot be known: no cell of the same pool, ipc, student and protocol is finished."
        )
    text = f"About {in_words(seconds / at_a_time)} and {readable_size(round(size))}, by finished cells alike"
    return f"{text}; of {unknown} cells it cannot be known." if unknown else f"{text}."


def in_words(seconds: float) -> str:
    """A span of time for people."""
    return str(timedelta(seconds=round(seconds)))


def _kind(cell: Cell) -> tuple[str | int, ...]:
    return tuple(cell.axes[axis] for axis in KIND)


def _seconds(cell: Cell) -> float:
    return sum(cell.seconds.values()) if cell.wall_seconds is None else cell.wall_seconds


def _bytes(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
