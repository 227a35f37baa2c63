"""Image files below a folder: which they are, what they may be called, and a listing of them in one pass."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from stat import S_ISREG

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.errors import PoolError, RunError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.listing import FileSource, Listing
from semdd_lightning.pools.strings import GrowingStrings, Strings
from semdd_lightning.progress import image_progress

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
    | {".avif", ".heic", ".heif", ".jxl"}  # where PIL cannot decode them they are listed as unreadable
)
_SUFFIXES = tuple(IMAGE_SUFFIXES)
_SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "lost+found")  # of macOS archives, Synology and ext file systems
_log = get_logger(__name__)


def is_pool_folder(name: str) -> bool:
    """Whether a folder of this name may hold a pool's images: nothing hidden, and none of a system's own.

    >>> [is_pool_folder(name) for name in ("cat", ".ipynb_checkpoints", "__MACOSX", "@eaDir", "lost+found")]
    [True, False, False, False, False]
    """
    return not name.startswith(".") and name not in _SYSTEM_FOLDERS


def is_image_name(name: str) -> bool:
    """Whether a file of this name counts as an image: a known suffix and no leading dot.

    >>> [is_image_name(name) for name in ("a.JPEG", "._a.jpeg", "metadata.jsonl", "Thumbs.db")]
    [True, False, False, False]
    """
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a circle of links is none, and so counts as a file."""
    try:
        return entry.is_dir()
    except OSError:  # a circle of links, which a later look at the file names
        return False


def leads_back(entry: Path, root: Path) -> bool:
    """Whether an entry below a root is a link to a folder that both lie in: the pool would be there twice."""
    if not os.path.islink(entry):  # noqa: PTH114 - never raises
        return False
    try:
        return root.resolve().is_relative_to(entry.resolve())
    except (OSError, RuntimeError):  # a circle of links
        return False


@contextmanager
def listable(folder: Path) -> Iterator[None]:
    """Say of a folder that it cannot be listed, where its names are asked for.

    Raises:
        PoolError: If the system refuses to give them.
    """
    try:
        yield
    except OSError as error:
        msg = f"Expected to list {folder}, found: {error.strerror}; check its permissions."
        raise PoolError(msg) from error


def find_images(folder: Path) -> Iterator[Path]:
    """Image files at any depth below a folder, links followed, hidden folders skipped, in no set order.

    Args:
        folder: Where to look.

    Raises:
        PoolError: If a folder cannot be listed.
    """
    return (Path(entry.path) for entry in _image_entries(folder, set(), folder))


def list_files(root: Path, folders: Sequence[tuple[str, int]]) -> Listing:
    """The image files at any depth below class folders, in path order, each looked at once.

    Args:
        root: Folder that paths are relative to.
        folders: Folders below `root` and the class index of each; a class may have several. An empty name
            stands for `root` itself.

    Raises:
        PoolError: If a folder cannot be listed.
    """
    growing = GrowingStrings()
    numbers = array("q")  # label, size, mtime and ctime of each file, one after the other
    found: dict[int, str] = {}
    with image_progress("Listing images", None, after=1.0, keep=False) as advance:
        for folder, label in folders:
            start = len(str(root / folder)) + 1
            prefix = "" if Path(folder) == Path() else f"{Path(folder).as_posix()}/"
            for entry in _image_entries(root / folder, set(), root):
                path = prefix + entry.path[start:].replace(os.sep, "/")
                stamp, problem = _stamp_or_problem(entry)
                if printable(path) != path:
                    problem = "unreadable: file name is not UTF-8"
                if problem is not None:
                    found[len(numbers) // 4] = problem
                numbers.extend((label, *stamp))
                growing.append(printable(path))
                advance(1)
    paths = growing.finish()
    order = paths.order()
    paths, places = paths.take(order), np.argsort(order)
    columns = np.array(numbers, dtype=np.int64).reshape(-1, 4)[order]
    stamps = np.ascontiguousarray(columns[:, 1:])
    problems = {int(places[row]): problem for row, problem in found.items()}
    return Listing(root, paths, columns[:, 0].copy(), stamps, FileSource(root, paths), problems)


def stamps_of(root: Path, files: Strings) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Stamps of files, as a `Listing` has them, and by row why one cannot be read.

    Args:
        root: Folder that they lie in.
        files: Path of each below it, N of them.
    """
    stamps = np.zeros((len(files), 3), dtype=np.int64)
    problems = {}
    with image_progress("Listing images", len(files), after=1.0, keep=False) as advance:
        for row, name in enumerate(files):
            stamps[row], problem = _stamp_or_problem(root / name)
            if problem is not None:
                problems[row] = problem
            advance(1)
    return stamps, problems


def printable(path: str) -> str:
    """The path with bytes that are not UTF-8 escaped, so that it can stand in a table or a message."""
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()


def _stamp_or_problem(file: Path | os.DirEntry[str]) -> tuple[tuple[int, int, int], str | None]:
    """The stamp of a file, or zeros and why it cannot be read."""
    try:
        stat = file.stat()
    except OSError as error:
        link = os.path.islink(file)  # noqa: PTH114 - a dangling link, or a circle; never raises
        return (0, 0, 0), f"unreadable: {'not a regular file' if link else error.strerror}"
    if not S_ISREG(stat.st_mode):  # a pipe would block the read for ever
        return (0, 0, 0), "unreadable: not a regular file"
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns), None


def _image_entries(folder: Path, seen: set[tuple[int, int]], root: Path) -> Iterator[os.DirEntry[str]]:
    """Entries with names of images at any depth; `seen` and `root` end links to folders above."""
    with listable(folder):
        here = folder.stat()
        if (here.st_dev, here.st_ino) in seen:
            return
        seen.add((here.st_dev, here.st_ino))
        inner = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_pool_folder(entry.name):
                    continue
                if is_folder(entry):
                    if entry.is_symlink() and leads_back(Path(entry.path), root):
                        _log.warning("%s leads back to the pool and is ignored.", entry.path)
                    else:
                        inner.append(entry.name)
                elif is_image_name(entry.name):
                    yield entry
    # Sorted, so that of two links to one folder it is always the same one that counts.
    for name in sorted(inner):
        yield from _image_entries(folder / name, seen, root)


def relative_name(text: str) -> str:
    """A file's name in posix form, without ``.`` and doubled slashes.

    >>> relative_name("./cats//1.png")
    'cats/1.png'

    Raises:
        ValueError: If it is empty, holds a NUL, is absolute, or climbs out of the folder, on any system.
    """
    climbs = ".." in re.split(r"[/\\]", text) or text.startswith(("/", "\\")) or PureWindowsPath(text).drive
    if not text or "\0" in text or climbs:
        msg = f"Expected a file name inside the folder, found {text!r}"
        raise ValueError(msg)
    return PurePosixPath(text).as_posix()


def require_outside(output: Path, images: object) -> None:
    """Refuse to write where images are read; a hidden folder is no part of a pool.

    Args:
        output: Where output goes.
        images: Where images lie; anything but the path of a folder holds nothing.

    Raises:
        RunError: If the output lies within.
    """
    root, place = _real(images), _real(output)
    if root is None or not root.is_dir() or place is None or not place.is_relative_to(root):
        return
    if all(map(is_pool_folder, place.relative_to(root).parts)):
        msg = (
            f"Expected a folder for the output outside of the images in {root}, found {output} in it, which "
            "would be read as a part of them; give another."
        )
        raise RunError(msg)


def require_apart(output: Path, images: object) -> None:
    """Refuse to write where images are read, and to take over a folder in which they lie.

    Args:
        output: Folder that is to hold output and nothing else.
        images: As `require_outside` has it.

    Raises:
        RunError: If one lies in the other.
    """
    require_outside(output, images)
    root, place = _real(images), _real(output)
    if root is not None and place is not None and root.exists() and root.is_relative_to(place):
        msg = (
            f"Expected a folder for the output and nothing else, found the images in {root} within {output}; "
            "give another."
        )
        raise RunError(msg)


def _real(path: object) -> Path | None:
    """The path without links; `Path.resolve` stumbles over those that lead to themselves."""
    return Path(os.path.realpath(Path(path).expanduser())) if isinstance(path, str | Path) else None
