"""Pools side by side, each with the same class folders: ``root/<part>/<class>/**/<image>``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes import ClassRegistry, resolve_classes
from semdd_lightning.classes.folders import numbered_name
from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.class_folders import class_folder_names, require_images
from semdd_lightning.pools.files import list_files
from semdd_lightning.pools.image_set import DiskPool, Found


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
        root, parts = self._existing_folder(), self.found_parts()
        classes = resolve_classes(_class_folders(root, parts), self._class_list(default))
        for part in parts:
            require_images(root / part, classes.folders)
        places = [(f"{part}/{folder}", c) for part in parts for c, folder in enumerate(classes.folders)]
        return classes, lambda: list_files(root, places)

    def found_parts(self) -> tuple[str, ...]:
        """The parts that are merged, by number where they have one.

        Raises:
            PoolError: If one that was asked for is not there, or there are none that look alike.
        """
        root = self._existing_folder()
        if self.parts is None:
            return _alike(root)
        there = class_folder_names(root)
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


def _class_folders(root: Path, parts: Sequence[str]) -> list[str]:
    """The class folders of every part."""
    folders = {part: class_folder_names(root / part) for part in parts}
    everything = sorted({folder for names in folders.values() for folder in names})
    lacks = {part: sorted(set(everything) - set(names)) for part, names in folders.items()}
    lacking = [f"{part!r} lacks {some_of(names)}" for part, names in lacks.items() if names]
    if lacking:
        msg = (
            f"Expected every part of {root} to hold the same class folders, found that "
            f"{'; '.join(lacking)}; name the parts that belong together, or complete them."
        )
        raise PoolError(msg)
    return everything


def _alike(root: Path) -> tuple[str, ...]:
    names = class_folder_names(root)
    parts = numbered_alike(names)
    if not parts:
        msg = (
            f"Expected {root} to hold parts whose names differ in a number, as dataset_0 and dataset_1, "
            f"found {some_of(names)}; name the parts."
        )
        raise PoolError(msg)
    return parts
