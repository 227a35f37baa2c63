"""The progress of a comparison: a live table on a terminal, else a line for each cell that ends."""

from __future__ import annotations

from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.live import Live

from semdd_lightning.cli.comparing.estimate import in_words, seconds_left
from semdd_lightning.cli.comparing.runs import Runs
from semdd_lightning.evaluation.cells import Cell
from semdd_lightning.names import get_logger
from semdd_lightning.report.tables import FoldingTable, plain

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
