"""Which files of a folder are images, judged by name alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NoReturn

from semdd_lightning.errors import PoolError

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
)


def is_image_name(name: str) -> bool:
    """Whether a file of this name counts as an image: a known suffix and no leading dot.

    >>> [is_image_name(name) for name in ("a.JPEG", "._a.jpeg", "metadata.jsonl", "Thumbs.db")]
    [True, False, False, False]
    """
    return not name.startswith(".") and PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def find_images(folder: Path) -> Iterator[Path]:
    """Image files at any depth below a folder, links followed, hidden folders skipped, in no set order.

    Args:
        folder: Where to look.

    Raises:
        PoolError: If a folder cannot be listed.
    """
    seen: set[tuple[int, int]] = set()  # a link to a folder above would never end
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        here = Path(parent).stat()
        if (here.st_dev, here.st_ino) in seen:
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        # Sorted, so that of two links to one folder it is always the same one that counts.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in files if is_image_name(name))


def printable(path: str) -> str:
    """The path with bytes that are not UTF-8 escaped, so that it can stand in a table or a message.

    Args:
        path: A path as the file system gives it.
    """
    return path.encode("utf-8", "backslashreplace").decode()


def _refuse(error: OSError) -> NoReturn:
    msg = f"Expected to list {error.filename}, found: {error.strerror}; check its permissions."
    raise PoolError(msg) from error
