"""A table of texts, and its forms: Markdown, LaTeX, HTML, and lines on a terminal that may be narrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.text import Text

from semdd_lightning.names import latex, markdown, shown
from semdd_lightning.report.page.parts import html
from semdd_lightning.report.tables import FoldingTable, plain, print_plain, table_of_rows

NOTHING = "-"  # in a cell without a number
_CLASS = ' class="name"'  # in HTML, of a cell that says what a row is
_ROOMY, _NARROW = 12, 9  # letters of a terminal's table for a column, its borders among them


@dataclass(frozen=True)
class ReportTable:
    """A table for people; its texts are raw, and whoever writes them escapes them.

    Attributes:
        title: what it shows.
        columns: their heads; the first `labels` hold names, the others numbers or words about them.
        rows: as many texts each as there are columns.
        labels: how many columns, from the left, say what a row is.
        notes: sentences below it.
        extra: columns that a narrow terminal leaves out first.
        on_terminal: whether a terminal shows it; files show all.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1
    notes: Sequence[str] = ()
    extra: Sequence[str] = ()
    on_terminal: bool = True

    def trimmed(self) -> ReportTable:
        """The table without the columns that say nothing in any row."""
        said = [
            place
            for place in range(len(self.columns))
            if place < self.labels or any(row[place] not in ("", NOTHING) for row in self.rows)
        ]
        return self._of(said)

    def shortened(self) -> ReportTable:
        """The table without its extra columns."""
        return self._of([place for place, name in enumerate(self.columns) if name not in self.extra])

    def _of(self, places: Sequence[int]) -> ReportTable:
        rows = [[row[place] for place in places] for row in self.rows]
        return replace(self, columns=[self.columns[place] for place in places], rows=rows)


def as_markdown(title: str, said: Sequence[str], tables: Sequence[ReportTable], command: str | None) -> str:
    """Heading, sentences, tables and the command that made them.

    Args:
        title: heading of all of it.
        said: what the numbers allow to say.
        tables: the tables.
        command: what made the comparison, as a shell takes it; None where nobody knows.
    """
    parts = [f"# {markdown(title)}", *map(markdown, said)]
    for table in tables:
        parts.append(f"## {markdown(table.title)}")
        if table.rows:
            rules = [":--" if place < table.labels else "--:" for place in range(len(table.columns))]
            rows = [f"| {' | '.join(map(markdown, row))} |" for row in (table.columns, *table.rows)]
            parts.append("\n".join([rows[0], f"|{'|'.join(rules)}|", *rows[1:]]))
        parts += map(markdown, table.notes)
    if command is not None:
        parts.append(f"## Command\n\n    {command}")
    return "\n\n".join(parts) + "\n"


def as_latex(tables: Sequence[ReportTable], command: str | None) -> str:
    """The tables with the rules of the booktabs package, one ``table`` each, to be taken into a paper.

    Args:
        tables: the tables.
        command: what made the comparison, as a shell takes it; None where nobody knows.
    """
    head = ["% needs \\usepackage{booktabs}"] + ([] if command is None else [f"% made by: {shown(command)}"])
    return "\n\n".join(["\n".join(head), *(_latex_table(table) for table in tables if table.rows)]) + "\n"


def as_html(table: ReportTable) -> str:
    """A table that can be read by ear, too: the names of a row are its heads."""
    title = html(table.title)
    notes = "".join(f'<p class="note">{html(note)}</p>' for note in table.notes)
    if not table.rows:
        return f"<p>{title}: none</p>{notes}"
    heads = [
        f'<th scope="col"{_CLASS if place < table.labels else ""}>{html(head)}</th>'
        for place, head in enumerate(table.columns)
    ]
    rows = []
    for row in table.rows:
        names = [f'<th scope="row"{_CLASS}>{html(text)}</th>' for text in row[: table.labels]]
        others = [f"<td>{html(text)}</td>" for text in row[table.labels :]]
        rows.append(f"<tr>{''.join([*names, *others])}</tr>")
    head, body = f"<thead><tr>{''.join(heads)}</tr></thead>", f"<tbody>{''.join(rows)}</tbody>"
    region = f'<div class="wide" role="region" aria-label="{title}" tabindex="0">'
    return f"{region}<table><caption>{title}</caption>{head}{body}</table>{notes}</div>"


def print_tables(said: Sequence[str], tables: Sequence[ReportTable]) -> None:
    """Print tables and sentences; names in them act as nothing.

    Args:
        said: what the numbers allow to say, below the tables.
        tables: the tables.
    """
    console = Console()
    left_out: dict[str, None] = {}  # an ordered set
    for table in (one for one in tables if one.on_terminal):
        fits = console.width >= _ROOMY * len(table.columns)
        left_out |= dict.fromkeys(() if fits else table.extra)
        for printed in _printed(table if fits else table.shortened(), console.width):
            console.print(printed)
        for text in table.notes:
            print_plain(console, text)
    if left_out:
        print_plain(console, f"Wider terminals and the files also show {', '.join(left_out)}.")
    for text in said:
        print_plain(console, text)


def _latex_table(table: ReportTable) -> str:
    columns = "l" * table.labels + "r" * (len(table.columns) - table.labels)
    caption = " ".join(map(latex, (f"{table.title}.", *table.notes)))
    head, *rows = (rf"{' & '.join(map(latex, row))} \\" for row in (table.columns, *table.rows))
    begin = [r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{columns}}}"]
    end = [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join([*begin, r"\toprule", head, r"\midrule", *rows, *end])


def _printed(table: ReportTable, width: int) -> Iterator[FoldingTable | Text]:
    """A table as a terminal has room for it: where columns would be slivers, each row as a list."""
    if not table.rows:
        yield plain(f"{table.title}: none")
    elif width < _NARROW * len(table.columns):
        yield plain(table.title, "table.title")
        for row in table.rows:
            yield table_of_rows("", dict(zip(table.columns, row, strict=True)))
    else:
        whole = FoldingTable(title=plain(table.title, "table.title"))
        for place, name in enumerate(table.columns):
            whole.add_column(plain(name), justify="left" if place < table.labels else "right")
        for row in table.rows:
            whole.add_row(*map(plain, row))
        yield whole
