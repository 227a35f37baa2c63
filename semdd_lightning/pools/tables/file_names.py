"""File names that stand in a table: they must stay inside the folder that they are relative to."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath


def relative_name(text: str) -> str:
    """A file's name in posix form, without ``.`` and doubled slashes.

    >>> relative_name("./cats//1.png")
    'cats/1.png'

    Args:
        text: The name as the table has it.

    Raises:
        ValueError: If it is empty, holds a NUL, is absolute, or climbs out of the folder, on any system.
    """
    windows = PureWindowsPath(text)
    if (
        not text
        or "\0" in text
        or text.startswith(("/", "\\"))
        or windows.drive
        or ".." in re.split(r"[/\\]", text)
    ):
        msg = f"Expected a file name inside the folder, found {text!r}"
        raise ValueError(msg)
    return PurePosixPath(text).as_posix()
