"""Files and folders that are whole or absent: written beside their place, synced, renamed."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from semdd_lightning.errors import DiskError, RunError
from semdd_lightning.names import cell

if TYPE_CHECKING:  # most of what is written is no table
    import pandas as pd

_SUFFIX = ".tmp"
_CERTAINLY_DEAD_S = 24 * 3600.0
_CLOCKS_S = 2.0  # by which those of processes and files may differ
_ADVICE = {
    "free disk space there": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "get leave to write there": (errno.EACCES, errno.EPERM, errno.EROFS),
    "remove what stands in its way": (
        errno.ENOTDIR,
        errno.EEXIST,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
    ),
    "look at the disk": (errno.EIO, errno.EMFILE, errno.ENFILE),
}


def write_atomically(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file so that a killed process leaves either the old file or the new one.

    Args:
        path: The file; its folder is made if it is missing.
        parts: All of the file, in order.

    Raises:
        DiskError: If it cannot be written.
    """
    temporary = temporary_path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                for part in parts:
                    stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        if os.name == "posix":  # other systems let no folder be opened to make the rename durable
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a disk refuses within the block into a `DiskError` that names the path."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path | str, doing: str = "write") -> DiskError:
    """What the system said of a path, and what to do about it.

    >>> print(disk_error(OSError(errno.ENOSPC, "No space left on device"), "last.ckpt"))
    Expected to write last.ckpt, found No space left on device; free disk space there, or give another \
folder (the cache's is SEMDD_CACHE).
    """
    said = error.strerror or str(error)
    if error.filename is not None and str(error.filename) != str(path):
        said = f"{said}: {error.filename}"
    advice = next(
        (advice for advice, numbers in _ADVICE.items() if error.errno in numbers), "look at the disk"
    )
    return DiskError(
        f"Expected to {doing} {path}, found {said}; {advice}, or give another folder (the cache's is "
        "SEMDD_CACHE)."
    )


def is_of_disk(error: BaseException) -> bool:
    """Whether an error is the system's word on a disk or a path, which no code of ours could have helped."""
    known = {number for numbers in _ADVICE.values() for number in numbers} - {errno.ENOENT}
    return isinstance(error, OSError) and error.errno in known


def temporary_path(path: Path) -> Path:
    """A free name beside a file or folder that is being made; it tells who makes it."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex}{_SUFFIX}")


def remove_stale_files(folder: Path) -> None:
    """Remove what `temporary_path` named for processes that are gone; a living process keeps its own."""
    with suppress(OSError):  # whoever writes there next says what is wrong with it
        for temporary in folder.glob(f".*{_SUFFIX}"):
            if not _is_stale(temporary):
                continue
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


def _is_stale(temporary: Path) -> bool:
    try:
        modified = temporary.stat().st_mtime
    except FileNotFoundError:  # renamed or removed meanwhile
        return False
    if time.time() - modified > _CERTAINLY_DEAD_S:
        return True
    stem = temporary.name.removesuffix(_SUFFIX)
    marker, _, process = stem.rpartition(".")[0].rpartition(".")
    if not marker.endswith(f".{socket.gethostname()}") or not process.isdigit():
        return False
    try:  # a number is given again, above all in containers
        return float(psutil.Process(int(process)).create_time()) > modified + _CLOCKS_S
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically, for others to read; what is read here again is a record."""
    write_text(path, json.dumps(content, indent=2, default=str, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomically(path, text.encode())


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index atomically; texts that begin as a formula does are quoted."""
    columns = table.copy()
    for name in columns.columns:
        if columns[name].dtype.kind not in "biufc":
            columns[name] = columns[name].map(lambda value: cell(value) if isinstance(value, str) else value)
    columns = columns.rename(columns=lambda name: cell(str(name)))
    write_text(path, columns.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC))  # a bare \r ends a row


def check_output_file(path: Path) -> None:
    """Refuse, before anything expensive runs, a file without a folder for it, or what is no file."""
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
    """Refuse a name that something has already."""
    if os.path.lexists(path):
        msg = (
            f"Expected {path} to be new, found something there; nothing was overwritten, choose another name."
        )
        raise RunError(msg)
