"""Files that are whole or absent: written beside their place, synced, renamed."""

from __future__ import annotations

import os
import socket
import time
import uuid
from pathlib import Path

from semdd_lightning.errors import CacheError

_SUFFIX = ".tmp"
_CERTAINLY_DEAD_S = 24 * 3600.0


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a killed process leaves either the old file or the new one.

    Args:
        path: The file; its folder is made if it is missing.
        content: All of the file.

    Raises:
        CacheError: If the folder cannot be written.
    """
    name = f".{path.name}.{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex}{_SUFFIX}"
    temporary = path.with_name(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        msg = (
            f"Expected to write {path}, found {error}; free disk space, or set SEMDD_CACHE to a folder that "
            "can be written."
        )
        raise CacheError(msg) from error


def remove_stale_files(folder: Path) -> None:
    """Remove the temporary files of processes that are gone; a living process keeps its own.

    Args:
        folder: Folder that `write_atomically` writes to.
    """
    for temporary in folder.glob(f".*{_SUFFIX}"):
        if _is_stale(temporary):
            temporary.unlink(missing_ok=True)


def _is_stale(temporary: Path) -> bool:
    try:
        age = time.time() - temporary.stat().st_mtime
    except FileNotFoundError:  # renamed or removed meanwhile
        return False
    if age > _CERTAINLY_DEAD_S:
        return True
    stem = temporary.name.removesuffix(_SUFFIX)
    marker, _, process = stem.rpartition(".")[0].rpartition(".")
    if os.name != "posix" or not marker.endswith(f".{socket.gethostname()}") or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; only POSIX systems let a folder be opened for that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
