"""What tells that a file has changed since it was last looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def file_stamp(file: Path) -> NDArray[np.int64]:
    """Size in bytes, modification and change time in nanoseconds of a file, shape ``(3,)``.

    Args:
        file: The file.

    Raises:
        OSError: If it is not there.
    """
    stat = file.stat()
    return np.array([stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns], dtype=np.int64)
