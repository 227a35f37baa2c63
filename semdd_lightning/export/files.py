"""Files and folders that are either there as a whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from semdd_lightning.errors import RunError


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically."""
    write_text(path, json.dumps(content, indent=2, default=str, allow_nan=False) + "\n")


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


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: temporary name, fsync, rename."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}-", delete=False, encoding="utf-8", newline=""
    ) as file:
        unfinished = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            unfinished.chmod(0o644)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


@contextmanager
def new_directory(path: Path, *, claimed: bool = False) -> Iterator[Path]:
    """Fill a temporary directory and give it its name when all went well; nothing stays otherwise.

    Args:
        path: the directory's name.
        claimed: whether the caller has made an empty directory of that name to keep others away from it.

    Raises:
        RunError: if something with that name is there already.
    """
    if path.exists() and not (claimed and path.is_dir() and not any(path.iterdir())):
        raise _taken(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        _rename(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _rename(unfinished: Path, path: Path) -> None:
    if os.name != "posix" and path.is_dir():  # only POSIX renames over an empty directory
        path.rmdir()
    try:
        unfinished.rename(path)
    except OSError as error:
        if path.exists():
            raise _taken(path) from error
        raise


def _taken(path: Path) -> RunError:
    return RunError(
        f"Expected {path} to be new, found something there; nothing was overwritten, choose another name."
    )
