"""Files and folders that are either there as a whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from semdd_lightning.atomic import remove_stale_files, temporary_path, write_atomically, writing
from semdd_lightning.errors import RunError
from semdd_lightning.names import cell


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically, for others to read; what is read here again is a record."""
    write_text(path, json.dumps(content, indent=2, default=str, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        DiskError: if it cannot be written.
    """
    write_atomically(path, text.encode())


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index atomically; texts that begin as a formula does are quoted."""
    columns = table.copy()
    for name in columns.columns:
        if not pd.api.types.is_numeric_dtype(columns[name]):
            columns[name] = columns[name].map(lambda value: cell(value) if isinstance(value, str) else value)
    columns = columns.rename(columns=lambda name: cell(str(name)))
    write_text(path, columns.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC))  # a bare \r ends a row


def check_output_file(path: Path) -> None:
    """See, before anything expensive runs, that a file can be written: its folder is there, it is no folder.

    Raises:
        RunError: if not.
    """
    if not path.absolute().parent.is_dir():
        msg = f"Expected a folder for {path}, found none; make it first."
        raise RunError(msg)
    if path.exists() and not path.is_file():
        msg = f"Expected {path} to be a file or not there yet, found a folder or a device; give another name."
        raise RunError(msg)
    remove_stale_files(path.absolute().parent)


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Fill a temporary directory and give it its name when all went well; nothing stays otherwise.

    Raises:
        RunError: if something with that name is there already.
        DiskError: if it cannot be written.
    """
    require_new(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_stale_files(path.parent)
        unfinished = temporary_path(path)
        try:
            unfinished.mkdir()
            yield unfinished
            try:
                unfinished.rename(path)
            except OSError:  # somebody else was faster, or the disk refuses
                require_new(path)
                raise
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def require_new(path: Path) -> None:
    """See that nothing has that name yet.

    Raises:
        RunError: if something has.
    """
    if os.path.lexists(path):
        msg = (
            f"Expected {path} to be new, found something there; nothing was overwritten, choose another name."
        )
        raise RunError(msg)
