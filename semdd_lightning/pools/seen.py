"""What a folder shows by the names in it, with bounded work however many files there are."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from semdd_lightning.classes.registry import some_of
from semdd_lightning.pools.files import is_folder, is_image_name, is_pool_folder, listable

_MOST_NAMES = 20_000  # of one folder; a pool with more classes, or a longer flat folder, is seen in part
_SAMPLED_FOLDERS = 4
_SAMPLED_FILES = 50
_SAMPLED_MEMBERS = 50


@dataclass(frozen=True)
class Seen:
    """Names in a folder, sorted, those with a leading dot left out.

    Args:
        path: The folder; or a file, which shows no names.
        folders: Names of folders.
        files: Names of files.
    """

    path: Path
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """Names of image files."""
        return tuple(name for name in self.files if is_image_name(name))

    def with_suffix(self, *suffixes: str) -> tuple[str, ...]:
        """Names of files that end so, in lower or upper case."""
        return tuple(name for name in self.files if name.lower().endswith(suffixes))

    def sampled(self) -> tuple[Seen, ...]:
        """What the first folders show, the first names of each."""
        return tuple(look(self.path / name, _SAMPLED_FILES) for name in self.folders[:_SAMPLED_FOLDERS])

    def described(self) -> str:
        """The names in words, for a message."""
        if self.path.is_file():
            return f"a file {self.path.name!r}"
        if not self.folders and not self.files:
            return "an empty folder"
        images, others = self.images, [name for name in self.files if not is_image_name(name)]
        parts = [
            f"{len(self.folders)} folders ({some_of(self.folders)})" if self.folders else "no folders",
            f"{len(images)} loose image files ({some_of(images)})" if images else "",
            f"{len(others)} other files ({some_of(others)})" if others else "",
        ]
        return " and ".join(part for part in parts if part)


def look(path: Path, most: int = _MOST_NAMES) -> Seen:
    """Look into a folder.

    Args:
        path: A folder or a file that exists.
        most: How many names to take at most, in the order that the file system gives them.

    Raises:
        PoolError: If it cannot be listed.
    """
    if not path.is_dir():
        return Seen(path)
    names: tuple[list[str], list[str]] = ([], [])
    with listable(path), os.scandir(path) as entries:  # tells folders from files without looking at each
        for entry in islice(entries, most):
            names[not is_folder(entry)].append(entry.name)
    folders, files = (tuple(sorted(filter(is_pool_folder, some))) for some in names)
    return Seen(path, folders, files)


def first_members(archive: Path) -> list[PurePosixPath]:
    """Paths of the first files in a tar archive; none if it is no tar archive, or compressed.

    Args:
        archive: A file.
    """
    if not archive.is_file():
        return []
    try:
        with tarfile.open(archive, "r:") as tar:  # a compressed one would be unpacked, however large it gets
            return [PurePosixPath(member.name) for member in islice(tar, _SAMPLED_MEMBERS) if member.isfile()]
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError):
        return []
