"""What soft labels cost, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from semdd_lightning.report.byte_size import readable_size
from semdd_lightning.report.tables import FoldingTable, plain, print_next_commands, table_of_rows


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
        others = FoldingTable(title="What labels would cost")
        others.add_column("")
        others.add_column("bytes", justify="right")
        others.add_column("", justify="right")
        for setting, count in costs:
            others.add_row(plain(setting), f"{count:,}", readable_size(count))
        console.print(others)
    print_next_commands(console, next_commands)
