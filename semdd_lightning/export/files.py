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
    """Write JSON atomically: temporary name, fsync, rename."""
    text = json.dumps(content, indent=2, default=str, allow_nan=False) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
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
def new_directory(path: Path) -> Iterator[Path]:
    """Fill a temporary directory and give it its name when all went well; nothing stays otherwise.

    Raises:
        RunError: if something with that name is there already.
    """
    if path.exists():
        msg = (
            f"Expected {path} to be new, found something there; nothing was overwritten, choose another name."
        )
        raise RunError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        unfinished.rename(path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
