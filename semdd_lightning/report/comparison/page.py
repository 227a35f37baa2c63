"""The page of a comparison: one file that opens in any browser and asks for nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from urllib.parse import quote

from semdd_lightning.names import shown
from semdd_lightning.report.comparison.report_table import ReportTable


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
