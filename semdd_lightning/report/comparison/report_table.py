"""A table of texts, and its forms: Markdown, LaTeX, and lines on a terminal that may be narrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.text import Text

from semdd_lightning.names import latex, markdown, shown
from semdd_lightning.report.tables import FoldingTable, plain, print_plain, table_of_rows

NOTHING = "-"  # in a cell without a number
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
    notes: Sequence[str] = field(default_factory=tuple)
    extra: Sequence[str] = field(default_factory=tuple)
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
        command: what made the comparison, as a shell takes it; none where nobody knows.
    """
    parts = [f"# {markdown(title)}", *map(markdown, said), *map(_markdown_table, tables)]
    if command is not None:
        parts.append(f"## Command\n\n    {command}")
    return "\n\n".join(parts) + "\n"


def as_latex(tables: Sequence[ReportTable], command: str | None) -> str:
    """The tables with the rules of the booktabs package, one ``table`` each, to be taken into a paper.

    Args:
        tables: the tables.
        command: what made the comparison, as a shell takes it; none where nobody knows.
    """
    head = ["% needs \\usepackage{booktabs}"] + ([] if command is None else [f"% made by: {shown(command)}"])
    return "\n\n".join(["\n".join(head), *(_latex_table(table) for table in tables if table.rows)]) + "\n"


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


def _markdown_table(table: ReportTable) -> str:
    lines = []
    if table.rows:
        rules = [":--" if place < table.labels else "--:" for place in range(len(table.columns))]
        lines += [_markdown_row(table.columns), f"|{'|'.join(rules)}|", *map(_markdown_row, table.rows)]
    parts = [f"## {markdown(table.title)}", "\n".join(lines), *map(markdown, table.notes)]
    return "\n\n".join(part for part in parts if part)


def _markdown_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown, texts))} |"


def _latex_table(table: ReportTable) -> str:
    columns = "l" * table.labels + "r" * (len(table.columns) - table.labels)
    caption = " ".join(map(latex, (f"{table.title}.", *table.notes)))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row(table.columns),
            r"\midrule",
            *map(_latex_row, table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _latex_row(texts: Sequence[str]) -> str:
    return rf"{' & '.join(map(latex, texts))} \\"


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
