"""Opens a file for Arrow, whose readers take paths of UTF-8 alone."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa


def arrow_file(path: Path) -> pa.NativeFile:
    """The file for reading, whatever bytes its path has; close it, or let its reader do so.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be opened.
    """
    return pa.OSFile(os.fsencode(path))
