"""The runs of a grid's cells: which there are already, and one more."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from semdd_lightning.errors import ConfigError, RunError
from semdd_lightning.evaluation.cells import CELLS, Cell, read_cells, write_cells
from semdd_lightning.experiment.config.options import OF_TRAINING
from semdd_lightning.experiment.experiment import run_experiment
from semdd_lightning.experiment.process import current, error_in_words
from semdd_lightning.experiment.run.directory import VERSIONS, read_versions
from semdd_lightning.experiment.run.made_with import made_otherwise
from semdd_lightning.experiment.run.ownership import is_unfinished
from semdd_lightning.experiment.run.result import RunResult, read_result
from semdd_lightning.locks import Lock
from semdd_lightning.names import get_logger
from semdd_lightning.studies.plan import Plan, Planned, recipe

logger = get_logger(__name__)
WAIT_S = 60.0  # for whoever writes the record right now


class Runs:
    """The cells of a plan in the directory of a comparison.

    Args:
        out: the directory.
        plan: the grid.

    Attributes:
        cells: what is known of each, in the order of the grid.
        changes: of finished runs that have to be made again, how they were made unlike here, by their names.

    Raises:
        RunError: if a finished run of another comparison is in the way.
    """

    def __init__(self, out: Path, plan: Plan) -> None:
        self.out, self.plan = out, plan
        self.changes: dict[str, str] = {}
        there = {_recipe_in(file.parent): file.parent.name for file in sorted(out.glob(f"*/{VERSIONS}"))}
        states: dict[str, str | None] = {}
        before = {tuple(cell.axes.values()): cell for cell in _recorded(out)}
        self.cells = []
        for planned in plan.cells:
            name, recorded = there.get(plan.recipe(planned)), before.get(tuple(planned.axes.values()))
            self.cells.append(self._look(planned, name, recorded, states))

    def _look(
        self, planned: Planned, name: str | None, recorded: Cell | None, states: dict[str, str | None]
    ) -> Cell:
        """What there is of a cell: a run that is finished, an error that was recorded, or nothing."""
        directory = self.out / (name or planned.name)
        command = ["semdd", *planned.command(directory)]
        cell = Cell(dict(planned.axes), directory.name, command=command)
        known = recorded if recorded is not None and recorded.command == command else None
        result = read_result(directory)
        if result is not None and name is None:
            msg = (
                f"Expected {self.out} to be new or of this comparison, found that {directory.name} in it "
                f"was made by another command, config or variable ({OF_TRAINING}...); nothing was "
                "overwritten, give another --out."
            )
            raise RunError(msg)
        if result is not None and "test_top1" in result.metrics:
            change = made_otherwise(directory, result, states)
            if change is None:
                return replace(_finished(cell, result), wall_seconds=known.wall_seconds if known else None)
            self.changes[cell.directory] = change
        return known if known is not None and known.state == "failed" else cell

    @property
    def left(self) -> list[int]:
        """Places of the cells that are not finished."""
        return [index for index, cell in enumerate(self.cells) if cell.state != "finished"]

    def write(self) -> None:
        """Write the record of all cells; what failed before waits now."""
        for index in self.left:
            self.cells[index] = replace(self.cells[index], state="waiting", error=None)
        with self._recording():
            write_cells(self.out, self.cells)

    def join(self) -> None:
        """Write the record unless another process did for this very grid."""
        with self._recording():
            if [cell.axes for cell in _recorded(self.out)] != [cell.axes for cell in self.cells]:
                write_cells(self.out, self.cells)

    def keep(self, index: int, cell: Cell) -> None:
        """Write what became of one cell, beside what other processes wrote of others."""
        self.cells[index] = cell
        with self._recording():
            cells = read_cells(self.out)
            cells[index] = cell
            write_cells(self.out, cells)

    def read(self) -> None:
        """Learn what other processes wrote."""
        self.cells = read_cells(self.out)

    def _recording(self) -> Lock:
        lock = Lock(self.out / f".{CELLS}.lock")
        if not lock.wait(WAIT_S):
            msg = f"Expected to write {self.out / CELLS}, found that {lock.holder} does; "
            raise RunError(f"{msg}give the command again.")
        return lock

    def run(self, index: int) -> None:
        """Run a cell, unless another process does so right now."""
        planned, cell = self.plan.cells[index], self.cells[index]
        directory, recipes = self.out / cell.directory, (None, self.plan.recipe(planned))
        lock = Lock(self.out / f".{cell.directory}.lock")
        if not lock.take():
            logger.info("%s runs it right now: %s", lock.holder, cell.directory)
            return
        with lock:
            change = self.changes.pop(cell.directory, None)
            if change is not None:
                _set_aside(directory, "older", f": {change}")
            elif not (is_unfinished(directory) and _recipe_in(directory) in recipes):
                _set_aside(directory, "unfinished")  # else its training goes on
            self.keep(index, _run(planned, replace(cell, state="waiting", error=None), directory))


def _finished(cell: Cell, result: RunResult) -> Cell:
    labels = result.labels or {}
    images = result.selection.get("pool", {}).get("num_images")
    return replace(
        cell,
        state="finished",
        error=None,
        labels=labels.get("kind"),
        top1=result.metrics["test_top1"],
        top5=result.metrics.get("test_top5"),
        cut_short=result.cut_short,
        seconds=result.seconds,
        label_bytes=labels.get("bytes"),
        peak_memory_bytes=result.peak_memory_bytes,
        selection=result.selection,
        num_images_pool=None if images is None else int(images),
    )


def _run(planned: Planned, cell: Cell, directory: Path) -> Cell:
    began = time.monotonic()
    try:
        result = run_experiment(planned.command(directory))
        if "test_top1" not in result.metrics:
            found = "; ".join(result.cut_short) or "none"
            msg = f"Expected a test to compare by, found {found}; give data.test an image set, and test it."
            raise ConfigError(msg)
    except Exception as error:
        if current().received is not None:
            raise
        logger.debug("%s failed", cell.directory, exc_info=True)
        return replace(cell, state="failed", error=error_in_words(error))
    return replace(_finished(cell, result), wall_seconds=time.monotonic() - began)


def _recipe_in(directory: Path) -> str | None:
    """The recipe of the run in a directory, unless it was set aside."""
    try:
        versions = read_versions(directory)
    except RunError as error:
        logger.warning("%s", error)
        return None
    if versions is None or versions.configs is None:
        return None
    begun = [word for word in versions.command if word.startswith("--run.directory=")]
    if [Path(word).name for word in begun] != [directory.name]:
        return None
    return recipe(versions.command[1:], versions.configs)


def _recorded(out: Path) -> list[Cell]:
    """The cells of a comparison that was here before; a record that cannot be read is written anew."""
    if not (out / CELLS).is_file():
        return []
    try:
        return read_cells(out)
    except RunError as error:
        logger.warning("%s", error)
        return []


def _set_aside(directory: Path, what: str, why: str = "") -> None:
    """Keep an unfinished or older run under another name."""
    if not directory.exists():
        return
    name = f"{directory.name}.{what}"
    taken = {path.name for path in directory.parent.iterdir()}
    names = chain([name], (f"{name}.{number}" for number in count(1)))
    aside = next(free for free in names if free not in taken)
    directory.rename(directory.with_name(aside))
    logger.warning("An %s run is kept as %s and run anew%s.", what, directory.with_name(aside), why)
