"""A whole comparison for people: on the terminal, as texts of files, and as a page that asks for nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from semdd_lightning.names import shown
from semdd_lightning.report.comparison.comparison import Comparison
from semdd_lightning.report.comparison.figures import FIGURES, draw, drawable, inline_svg
from semdd_lightning.report.comparison.further_tables import further_tables
from semdd_lightning.report.comparison.report_table import ReportTable, as_latex, as_markdown, print_tables
from semdd_lightning.report.comparison.sampler_tables import (
    HOW_TO_READ,
    sampler_tables,
    unfinished_table,
    wins_tables,
)
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


def comparison_page(
    title: str,
    said: Sequence[str],
    reading: str,
    tables: Sequence[ReportTable],
    figures: Mapping[str, str],
    runs: Mapping[str, str | None],
    command: str | None,
) -> str:
    """HTML of tables and figures; every text that comes from outside is escaped here.

    Args:
        title: of the page.
        said: what the numbers allow to say.
        reading: how to read the tables.
        tables: the tables.
        figures: what each shows, and its SVG.
        runs: name of each run, and its page by a path beside this one; none where there is no such page.
        command: what made the comparison, as a shell takes it; none where nobody knows.
    """
    parts = {
        "title": _text(title),
        "said": "".join(f"<p>{_text(sentence)}</p>" for sentence in said),
        "reading": _text(reading),
        "tables": "\n".join(map(_table, tables)),
        "figures": "\n".join(
            f"<figure>{svg}<figcaption>{_text(label)}</figcaption></figure>" for label, svg in figures.items()
        ),
        "runs": f"<ul>{''.join(f'<li>{_run(name, page)}</li>' for name, page in runs.items())}</ul>",
        "command": _text(command or "unknown"),
    }
    template = files(__package__).joinpath("comparison.html").read_text(encoding="utf-8")
    return re.sub(r"<!--(\w+)-->", lambda found: parts[found[1]], template)


def _text(text: str) -> str:
    return escape(shown(text))


def _table(table: ReportTable) -> str:
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in table.notes)
    if not table.rows:
        return f"<p>{_text(table.title)}: none</p>{notes}"
    head = "".join(
        f'<th scope="col"{_left(place, table)}>{_text(name)}</th>' for place, name in enumerate(table.columns)
    )
    rows = "".join(f"<tr>{''.join(_cells(row, table))}</tr>" for row in table.rows)
    caption = f"<caption>{_text(table.title)}</caption>"
    inside = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    label = _text(table.title)
    return f'<div class="wide" role="region" aria-label="{label}" tabindex="0">{inside}{notes}</div>'


def _cells(row: Sequence[str], table: ReportTable) -> list[str]:
    """Names are heads of their row."""
    return [
        f'<th scope="row" class="name">{_text(text)}</th>'
        if place < table.labels
        else f"<td>{_text(text)}</td>"
        for place, text in enumerate(row)
    ]


def _left(place: int, table: ReportTable) -> str:
    return ' class="name"' if place < table.labels else ""


def _run(name: str, page: str | None) -> str:
    return _text(name) if page is None else f'<a href="./{escape(quote(page))}">{_text(name)}</a>'
