"""What the cells that wait will take, by those of their kind that are finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import fmean

from semdd_lightning.evaluation.cells import Cell
from semdd_lightning.report import readable_size

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
