"""Pools with one folder per class, ``root/<class>/**/<image>``, or several such pools side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes import ClassRegistry, resolve_classes
from semdd_lightning.classes.folders import numbered_name
from semdd_lightning.classes.registry import nfc, some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.files import (
    find_images,
    is_image_name,
    is_pool_folder,
    leads_back,
    list_files,
    listable,
    printable,
)
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.splits import are_splits, one_to_choose_from

_log = get_logger(__name__)


@dataclass(frozen=True)
class ClassFolders(DiskPool):
    """A pool with one folder per class, named by class name, wnid or number.

    Images are taken from any depth below a class folder; other files and names that begin with a dot
    are skipped. Without a class list, folders that are all numbers, or all one prefix and a number, count in
    numeric order, others by name.

    Args:
        path: The folder that holds the class folders.
    """

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The class folders, each of which holds images."""
        root = self._existing_folder()
        folders = class_folder_names(root)
        if self._class_list() is None and are_splits(folders):
            advice = one_to_choose_from(folders)
            msg = (
                f"Expected class folders in {root}, found splits: {some_of(folders)}; give one split"
                f"{'' if advice is None else f', as {root / advice}'}, or a class list if these are classes."
            )
            raise PoolError(msg)
        classes = resolve_classes(folders, self._class_list(default))
        require_images(root, classes.folders)
        return classes, lambda: list_files(root, [(folder, c) for c, folder in enumerate(classes.folders)])


def class_folder_names(root: Path) -> list[str]:
    """Names of the folders in a folder, sorted, those with a leading dot left out.

    Args:
        root: The folder that holds the class folders.

    Raises:
        PoolError: If there are none, or one has a name that is not UTF-8.
    """
    with listable(root):
        entries = [entry for entry in root.iterdir() if is_pool_folder(entry.name)]
    if not entries:
        msg = f"Expected {root} to hold class folders, found an empty folder; correct the path."
        raise PoolError(msg)
    back = [entry.name for entry in entries if leads_back(entry, root)]
    if back:
        _log.warning("%s of %s leads back to it and is ignored.", some_of(back), root)
    folders = sorted(entry.name for entry in entries if entry.is_dir() and entry.name not in back)
    loose = sum(is_image_name(entry.name) and entry.is_file() for entry in entries)
    if not folders:
        msg = (
            f"Expected {root} to hold one folder per class, found no folders and {loose} loose image files; "
            "put the images of each class into a folder of their own."
        )
        raise PoolError(msg)
    for folder in folders:
        if printable(folder) != folder:
            msg = f"Expected folder names in UTF-8 in {root}, found {printable(folder)!r}; rename the folder."
            raise PoolError(msg)
    alike: dict[str, list[str]] = {}  # what some file systems, and most readers, would take for one
    for folder in folders:
        alike.setdefault(nfc(folder).casefold(), []).append(folder)
    for twins in alike.values():
        if len(twins) > 1:
            _log.warning(
                "%s of %s differ in case only, and count as different classes.", some_of(twins), root
            )
    if loose:
        _log.warning("%d image files directly in %s belong to no class and are ignored.", loose, root)
    return folders


def require_images(root: Path, folders: Iterable[str]) -> None:
    """Refuse the folder that holds the class folders of these names where one holds no image file."""
    for folder in folders:
        if next(find_images(root / folder), None) is None:
            msg = (
                f"Expected class folder {folder!r} of {root} to hold image files, found none; "
                "add images to it or remove the folder."
            )
            raise PoolError(msg)


@dataclass(frozen=True)
class MergedFolders(DiskPool):
    """Several runs of a generator as one pool, as MGD3's ``dataset_0``, ``dataset_1`` or ``ipc1``, ``ipc10``.

    An image that stands byte for byte in several parts counts once, in the part whose name sorts first.

    Args:
        path: The folder that holds the parts.
        parts: The parts to merge, by folder name; by default all folders whose name is the same but for a
            number at its end.
    """

    parts: tuple[str, ...] | None = None

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The class folders that all parts have, each of which holds images."""
        root = self._existing_folder()
        parts = self._found_parts(root)
        folders = {part: set(class_folder_names(root / part)) for part in parts}
        everything = set[str]().union(*folders.values())
        lacks = {part: sorted(everything - names) for part, names in folders.items() if everything - names}
        if lacks:
            lacking = "; ".join(f"{part!r} lacks {some_of(names)}" for part, names in lacks.items())
            msg = (
                f"Expected every part of {root} to hold the same class folders, found that {lacking}; "
                "name the parts that belong together, or complete them."
            )
            raise PoolError(msg)
        classes = resolve_classes(sorted(everything), self._class_list(default))
        for part in parts:
            require_images(root / part, classes.folders)
        places = [(f"{part}/{folder}", c) for part in parts for c, folder in enumerate(classes.folders)]
        return classes, lambda: list_files(root, places)

    def _found_parts(self, root: Path) -> tuple[str, ...]:
        """The parts that are merged, by number where they have one."""
        there = class_folder_names(root)
        if self.parts is None:
            parts = numbered_alike(there)
            if not parts:
                msg = (
                    f"Expected {root} to hold parts whose names differ in a number, as dataset_0 and "
                    f"dataset_1, found {some_of(there)}; name the parts."
                )
                raise PoolError(msg)
            return parts
        missing = [part for part in self.parts if part not in there]
        if missing or not self.parts or len(set(self.parts)) < len(self.parts):
            found = f"no folder {some_of(missing)}" if missing else repr(self.parts)
            msg = f"Expected the parts of {root} to be folders there, each once, found {found}; correct them."
            raise PoolError(msg)
        return self.parts


def numbered_alike(names: Sequence[str]) -> tuple[str, ...]:
    """The names that are one prefix and a number, by number, of the prefix that most of them have.

    >>> numbered_alike(["ipc10", "ipc1", "logs"])
    ('ipc1', 'ipc10')
    """
    by_prefix: dict[str, list[tuple[int, str]]] = {}
    for name in sorted(names):
        numbered = numbered_name(name)
        if numbered is not None:
            by_prefix.setdefault(numbered[0], []).append((numbered[1], name))
    most = max(by_prefix.values(), key=len, default=[])
    return tuple(name for _, name in sorted(most))
