"""What soft labels cost, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from semdd_lightning.report.tables import print_next_commands, table_of_rows

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def print_label_table(
    title: str,
    rows: Mapping[str, str],
    costs: Sequence[tuple[str, int]] = (),
    next_commands: Sequence[str] = (),
) -> None:
    """Print what labels are, what other settings would cost, and what to do next.

    Args:
        title: above the table.
        rows: what is known, by name.
        costs: settings and the bytes of all labels with them.
        next_commands: what one would do next.
    """
    console = Console()
    console.print(table_of_rows(title, rows))
    if costs:
        others = Table(title="What labels would cost")
        others.add_column("")
        others.add_column("bytes", justify="right")
        others.add_column("", justify="right")
        for setting, count in costs:
            others.add_row(setting, f"{count:,}", size(count))
        console.print(others)
    print_next_commands(console, next_commands)


def size(count: int) -> str:
    """Bytes in the largest binary unit that leaves at least 1.

    Example:
        >>> [size(count) for count in (7, 2048, 6_000_000_000)]
        ['7 B', '2.00 KiB', '5.59 GiB']
    """
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.2f} {_UNITS[unit]}"
