"""What a comparison found, printed and written from its record."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from semdd_lightning.atomic import write_csv, write_text
from semdd_lightning.evaluation import slices
from semdd_lightning.experiment.run.directory import PAGE, from_here
from semdd_lightning.experiment.run.result import read_result
from semdd_lightning.names import command, get_logger
from semdd_lightning.report.command_tables import changes_in_words
from semdd_lightning.report.comparison import Comparison, print_report, report_files
from semdd_lightning.report.tables import print_next_commands

logger = get_logger(__name__)


def report_comparison(directory: Path, baseline: str | None = None) -> None:
    """Print what a comparison found and write it beside its runs.

    Args:
        directory: the comparison's.
        baseline: as in `write_reports`.
    """
    write_reports(directory, baseline)
    cells = Comparison.load(directory).cells
    failed = cells[cells["state"] == "failed"]
    if len(failed):
        logger.warning(
            "%d of %d cells failed, the first by: %s The same command tries them again.",
            len(failed),
            len(cells),
            failed["error"].iloc[0],
        )


def write_reports(directory: Path, baseline: str | None = None, out: Path | None = None) -> None:
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


def _protocols(comparison: Comparison, directory: Path) -> Mapping[tuple[Any, ...], Sequence[str]]:
    """The protocol of each slice, and in what its runs differ from it."""
    notes = {}
    for part in slices(comparison.cells):
        result = read_result(directory / part.counted["directory"].iloc[0])
        rows = {
            "Protocol": result.protocol if result else None,
            "Habits of the reference implementation": ", ".join(result.quirks) if result else "",
            "Unlike the protocol": changes_in_words(result.protocol_changes) if result else "",
        }
        said = [f"{label}: {text}." for label, text in rows.items() if text]
        notes[tuple(part.place.values())] = said
    return notes
