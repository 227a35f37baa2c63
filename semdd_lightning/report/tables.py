"""How tables look on the terminal, and what they call statistics, kinds of labels and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from semdd_lightning.names import shown_message

STATISTICS = {
    "zero_shot_accuracy": ("zero-shot accuracy", "share of images that CLIP puts into their class"),
    "mean_relevance": ("relevance", "mean cosine to the class prompt"),
    "mean_margin": ("margin", "mean relevance minus the best other class"),
    "mean_pairwise_distance": ("pairwise distance", "mean 1 - cosine within a class: variety"),
    "coverage": ("coverage", "mean cosine of a pool image to its nearest chosen one"),
}
KINDS = {"hard": "hard", "online": "soft, online", "static": "soft, static", "stored": "soft, stored"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class FoldingTable(Table):
    """A table that folds what a narrow terminal has no room for: left to itself rich would cut it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for column in self.columns:
            column.overflow = "fold"
        return super().__rich_console__(console, options)


def table_of_rows(title: str, rows: Mapping[str, str | Text]) -> FoldingTable:
    """A table of two columns, what is known and its value, without a header.

    Args:
        title: above the table.
        rows: label and value of every row, plain or with a style of its own.
    """
    table = FoldingTable(title=plain(title, "table.title"), show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for label, value in rows.items():
        table.add_row(plain(label), value if isinstance(value, Text) else plain(value))
    return table


def plain(text: object, style: str = "") -> Text:
    """A text that may hold names from outside, as it stands: no markup, no emoji codes, nothing that acts.

    Args:
        text: what to show.
        style: rich's style of all of it.
    """
    return Text(shown_message(text), style=style)


def print_plain(console: Console, text: str) -> None:
    """Print lines that may hold names from outside, not wrapped, so that they can be copied.

    Args:
        console: the terminal.
        text: the lines.
    """
    console.print(plain(text), soft_wrap=True)


def print_next_commands(console: Console, commands: Sequence[str]) -> None:
    """Print what one would do next, each command in one line so that it can be copied.

    Args:
        console: the terminal.
        commands: what `names.command` gave (default: none).
    """
    if commands:
        console.print("Next:")
    for command in commands:
        print_plain(console, f"  {command}")


def statistics_table(report: Mapping[str, Mapping[str, float | None]]) -> FoldingTable:
    """Statistics of pool, candidates, selection and a random subset of the same size."""
    table = FoldingTable(title="What the selection bought")
    table.add_column("")
    for subset in report:
        table.add_column(subset, justify="right")
    for name, _, values in statistics_rows(report):
        table.add_row(name, *values)
    return table


def statistics_rows(
    report: Mapping[str, Mapping[str, float | None]],
) -> Iterator[tuple[str, str, list[str]]]:
    """Name, meaning and value in every subset of each statistic that any of them has.

    Args:
        report: what `statistics_record` returns.
    """
    for key, (name, meaning) in STATISTICS.items():
        values = [of_subset.get(key) for of_subset in report.values()]
        if any(value is not None for value in values):
            yield name, meaning, ["-" if value is None else f"{value:.4f}" for value in values]


def statistics_record(report: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """A selection report as plain numbers, None where there is none.

    Args:
        report: what `selection_report` returns.
    """
    return {
        str(row): {str(name): None if pd.isna(value) else float(value) for name, value in values.items()}
        for row, values in report.iterrows()
    }


def readable_size(count: int) -> str:
    """Bytes in the largest binary unit that leaves at least 1.

    Examples:
        >>> [readable_size(count) for count in (7, 2048, 6_000_000_000)]
        ['7 B', '2.00 KiB', '5.59 GiB']
    """
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.2f} {_UNITS[unit]}"
