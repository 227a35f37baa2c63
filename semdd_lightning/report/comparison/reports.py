"""A whole comparison for people: on the terminal, and as texts of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semdd_lightning.report.comparison.comparison import Comparison
from semdd_lightning.report.comparison.figures import FIGURES, draw, drawable, inline_svg
from semdd_lightning.report.comparison.further_tables import further_tables
from semdd_lightning.report.comparison.page import comparison_page
from semdd_lightning.report.comparison.report_table import ReportTable
from semdd_lightning.report.comparison.sampler_tables import (
    HOW_TO_READ,
    sampler_tables,
    unfinished_table,
    wins_tables,
)
from semdd_lightning.report.comparison.text_forms import as_latex, as_markdown, print_tables
from semdd_lightning.report.comparison.words import sentences

Notes = Mapping[tuple[Any, ...], Sequence[str]]  # sentences below the table of a slice, by its place


def print_report(comparison: Comparison, baseline: str, notes: Notes) -> None:
    """Print tables, how to read them, and what they allow to say.

    Args:
        comparison: what was measured.
        baseline: the sampler that differences are taken to.
        notes: what is to be said below the table of a slice.
    """
    table = comparison.table(baseline)
    said = [HOW_TO_READ.format(baseline=baseline), *sentences(table, baseline)]
    print_tables(said if len(table) else [], report_tables(comparison, baseline, notes))


def report_files(
    comparison: Comparison, baseline: str, notes: Notes, pages: Mapping[str, str]
) -> dict[str, str]:
    """Names and texts of the files for people; numbers go into a CSV file.

    Args:
        comparison: what was measured.
        baseline: the sampler that differences are taken to.
        notes: what is to be said below the table of a slice.
        pages: the page of a run by its directory, as a path from the place of these files.
    """
    tables, command = report_tables(comparison, baseline, notes), comparison.command
    cells, table = comparison.cells, comparison.table(baseline)
    said, reading = sentences(table, baseline), HOW_TO_READ.format(baseline=baseline)
    figures = {
        f"{FIGURES[kind]}.": inline_svg(draw(kind, cells, table, baseline, command), kind, FIGURES[kind])
        for kind in drawable(cells, table, baseline)
    }
    runs = {run.directory: pages.get(run.directory) for run in comparison.runs}
    title = f"Comparison of samplers, differences to {baseline}"
    return {
        "comparison.md": as_markdown(title, [*said, reading], tables, command),
        "comparison.tex": as_latex(tables, command),
        "report.html": comparison_page(title, said, reading, tables, figures, runs, command),
    }


def report_tables(comparison: Comparison, baseline: str, notes: Notes) -> list[ReportTable]:
    """All tables of a comparison, in the order in which one reads them."""
    table = comparison.table(baseline)
    tables = [
        *sampler_tables(comparison.cells, table, baseline, notes),
        *wins_tables(table, baseline),
        *further_tables(table),
        *unfinished_table(comparison.cells),
    ]
    trimmed = [one.trimmed() for one in tables]
    return [one for one in trimmed if len(one.columns) > one.labels or not one.rows]
