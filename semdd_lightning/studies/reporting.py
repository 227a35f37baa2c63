"""What a comparison says: how far it is, what is left of it, and in the end its tables."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from semdd_lightning.atomic import write_csv, write_text
from semdd_lightning.evaluation import slices
from semdd_lightning.evaluation.cells import Cell
from semdd_lightning.experiment.run.directory import PAGE, from_here
from semdd_lightning.experiment.run.result import read_result
from semdd_lightning.names import command, get_logger
from semdd_lightning.report import readable_size
from semdd_lightning.report.command_tables import changes_in_words
from semdd_lightning.report.comparison import Comparison, print_report, report_files
from semdd_lightning.report.tables import FoldingTable, plain, print_next_commands

if TYPE_CHECKING:  # tables of what was run need no torch
    from semdd_lightning.studies.runs import Runs

logger = get_logger(__name__)
KIND = ("pool", "ipc", "student", "protocol")  # what time and size of a run depend on most


class CellsProgress:
    """Says which cells run and how long the others will take.

    Args:
        runs: the cells.
        at_a_time: how many run side by side.
        console: where to show the table; stderr if none.
    """

    def __init__(self, runs: Runs, at_a_time: int = 1, console: Console | None = None) -> None:
        self.runs, self.at_a_time = runs, at_a_time
        self.running: list[int] = []
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

    def begun(self, index: int) -> None:
        """A cell runs from now on."""
        self.running.append(index)

    def ended(self, index: int) -> None:
        """A cell is finished or failed, and ``runs`` knows it."""
        self.running.remove(index)
        cells, cell = self.runs.cells, self.runs.cells[index]
        if cell.state == "failed":
            what = f"failed: {cell.error}"
        else:
            what = f"top-1 {100 * cell.top1:.2f} %" if cell.top1 is not None else "left to another process"
        count, left = self._count(), self.seconds_left()
        more = f"; about {_in_words(left)} left" if left is not None and count["waiting"] else ""
        done = count["finished"] + count["failed"]
        logger.info("%d of %d cells: %s: %s%s", done, len(cells), cell.directory, what, more)

    def table(self) -> FoldingTable:
        """What a terminal shows."""
        cells, count, left = self.runs.cells, self._count(), self.seconds_left()
        rows = {
            "finished": f"{count['finished']} of {len(cells)}",
            "failed": str(count["failed"]),
            "running": ", ".join(cells[index].directory for index in self.running) or "none",
            "time left": "not known yet" if left is None else f"about {_in_words(left)}",
        }
        table = FoldingTable(title="semdd compare", show_header=False)
        for label, value in rows.items():
            table.add_row(label, plain(value))
        return table

    def seconds_left(self) -> float | None:
        """Seconds until no cell waits; None before one is finished.

        A cell of a kind that was not seen yet counts as the mean of all that were.
        """
        done = [_seconds(cell) for cell in self.runs.cells if cell.state == "finished"]
        if not done:
            return None
        known, unknown = self._total(_seconds)
        return (known + unknown * fmean(done)) / self.at_a_time

    def estimate(self) -> str:
        """Time and bytes that the comparison will still take, as far as that can be known, in words."""
        seconds, unknown = self._total(_seconds)
        size, _ = self._total(lambda cell: _bytes(self.runs.out / cell.directory))
        waiting = sum(cell.state != "finished" for cell in self.runs.cells)
        if not waiting:
            return "Nothing is left to run."
        if unknown == waiting:
            kind = "the same pool, ipc, student and protocol"
            return f"Time and bytes cannot be known: no cell of {kind} is finished."
        left, more = _in_words(seconds / self.at_a_time), f"; of {unknown} cells it cannot be known"
        text = f"About {left} and {readable_size(round(size))}, by finished cells alike"
        return f"{text}{more if unknown else ''}."

    def _count(self) -> Counter[str]:
        return Counter(cell.state for cell in self.runs.cells)

    def _total(self, measure: Callable[[Cell], float]) -> tuple[float, int]:
        """Sum over unfinished cells by the mean of their kind, and how many are of a kind not seen yet."""
        kinds, waiting = defaultdict[Any, list[float]](list), []
        for cell in self.runs.cells:
            kind = tuple(cell.axes[axis] for axis in KIND)
            if cell.state == "finished":
                kinds[kind].append(measure(cell))
            else:
                waiting.append(kind)
        known = [fmean(kinds[kind]) for kind in waiting if kind in kinds]
        return sum(known), len(waiting) - len(known)


def _in_words(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _seconds(cell: Cell) -> float:
    return sum(cell.seconds.values()) if cell.wall_seconds is None else cell.wall_seconds


def _bytes(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def report_comparison(directory: Path, baseline: str | None = None) -> None:
    """Print what a comparison found and write it beside its runs.

    Args:
        directory: the comparison's.
        baseline: as in `write_reports`.
    """
    cells = write_reports(directory, baseline).cells
    failed = cells[cells["state"] == "failed"]
    if len(failed):
        logger.warning(
            "%d of %d cells failed, the first by: %s The same command tries them again.",
            len(failed),
            len(cells),
            failed["error"].iloc[0],
        )


def write_reports(directory: Path, baseline: str | None = None, out: Path | None = None) -> Comparison:
    """Print the tables; write them as CSV, Markdown, LaTeX and, with figures, as a page.

    Args:
        directory: the comparison's.
        baseline: the sampler that differences are taken to; by default random, else the last.
        out: where to, if not to the comparison's directory.

    Raises:
        ConfigError: if no cell has the baseline.
    """
    comparison, out = Comparison.load(directory), directory if out is None else out
    of = comparison.baseline(baseline)
    notes = _protocols(comparison, directory)
    pages = {
        run.directory: Path(os.path.relpath(page, out)).as_posix()
        for run in comparison.runs
        if (page := directory / run.directory / PAGE).is_file()
    }
    print_report(comparison, of, notes)
    write_csv(out / "comparison.csv", comparison.table(of))
    for name, text in report_files(comparison, of, notes, pages).items():
        write_text(out / name, text)
    logger.info("Tables and figures: %s", from_here(out / PAGE))
    print_next_commands(Console(), [command("semdd", "open", from_here(out))])
    return comparison


def _protocols(comparison: Comparison, directory: Path) -> Mapping[tuple[Any, ...], Sequence[str]]:
    notes: dict[tuple[Any, ...], list[str]] = {}
    for part in slices(comparison.cells):
        result = read_result(directory / part.counted["directory"].iloc[0])
        rows = (
            {}
            if result is None
            else {
                "Protocol": result.protocol,
                "Habits of the reference implementation": ", ".join(result.quirks),
                "Unlike the protocol": changes_in_words(result.protocol_changes),
            }
        )
        notes[tuple(part.place.values())] = [f"{label}: {text}." for label, text in rows.items() if text]
    return notes
