"""Tables for people: CSV files that a spreadsheet can open without running what stands in them."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from semdd_lightning.export.files import write_text
from semdd_lightning.names import cell


def write_csv(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a table atomically; texts that begin as a formula does are quoted.

    Args:
        path: where to.
        table: the table.
        index: whether its index is the first column.
    """
    columns = (table.reset_index() if index else table).copy()
    for name in columns.columns:
        if not pd.api.types.is_numeric_dtype(columns[name]):
            columns[name] = columns[name].map(lambda value: cell(value) if isinstance(value, str) else value)
    columns = columns.rename(columns=lambda name: cell(str(name)))
    write_text(path, columns.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC))  # a bare \r ends a row
