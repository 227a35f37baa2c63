"""Pools with one folder a class: ``root/<class>/**/<image>``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes import ClassRegistry, read_class_list, registry_from_entries, resolve_classes
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools.files import find_images, is_image_name, printable
from semdd_lightning.pools.index import index_images
from semdd_lightning.pools.pool import Pool
from semdd_lightning.pools.reader import PoolReader

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassFolders(PoolReader):
    """A pool with one folder a class, named by class name, wnid or number.

    Images are taken from any depth below a class folder; other files and names that begin with a dot
    are skipped. Without a class list, folders that are all numbers count in numeric order, others by name.

    Args:
        path: The folder that holds the class folders.
        classes: Class list, ``.txt`` (one class a line) or ``.csv`` (``name,folder,wnid,teacher_index``).
        class_names: The class list written out, in class order: a name, a wnid, or ``wnid name`` each.
            Give it or `classes`, not both.
    """

    path: Path
    classes: Path | None = None
    class_names: tuple[str, ...] | None = None

    def check(self) -> None:
        """Find out, without decoding, whether folders and class list fit and every class has image files.

        Raises:
            PoolError: If `path` is missing, no folder, empty, holds no class folders, or a class folder
                holds no image files.
            ClassListError: If the class list cannot be read or does not fit the folders.
        """
        root = self._root()
        for folder in self.registry().folders:
            if next(find_images(root / folder), None) is None:
                msg = (
                    f"Expected class folder {folder!r} of {root} to hold image files, found none; "
                    "add images to it or remove the folder."
                )
                raise PoolError(msg)

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The classes, with the folders that are theirs on disk.

        Args:
            default: Classes to read the folders by where the reader has no class list of its own.
        """
        classes = self._class_list()
        if classes is None and default is not None:
            classes = default.without_folders()
        return resolve_classes(_class_folder_names(self._root()), classes)

    def files(self, registry: ClassRegistry) -> list[tuple[str, int]]:
        """Relative path and class index of every image file of the classes, undecoded, in path order."""
        root = self._root()
        return sorted(
            (image.relative_to(root).as_posix(), class_index)
            for class_index, folder in enumerate(registry.folders)
            for image in find_images(root / folder)
        )

    def read(self) -> Pool:
        """Read and decode every image file once.

        Raises:
            PoolError: As in `check`, or if no image at all can be read.
            ClassListError: As in `check`.
        """
        self.check()
        registry = self.registry()
        return index_images(self._root(), self.files(registry), registry)

    def _root(self) -> Path:
        root = Path(self.path).expanduser().absolute()
        if not root.exists():
            msg = f"Expected an image pool at {root}, found nothing there; correct the path."
            raise PoolError(msg)
        if not root.is_dir():
            msg = f"Expected {root} to be a folder of class folders, found a file; give the folder."
            raise PoolError(msg)
        return root

    def _class_list(self) -> ClassRegistry | None:
        if self.classes is not None and self.class_names is not None:
            msg = "Expected classes or class_names, found both; remove one of them."
            raise ClassListError(msg)
        if self.classes is not None:
            return read_class_list(Path(self.classes).expanduser())
        if self.class_names is not None:
            return registry_from_entries(self.class_names, "class_names")
        return None


def _class_folder_names(root: Path) -> list[str]:
    try:
        entries = [entry for entry in root.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        msg = f"Expected to list {root}, found: {error.strerror}; check its permissions."
        raise PoolError(msg) from error
    if not entries:
        msg = f"Expected {root} to hold class folders, found an empty folder; correct the path."
        raise PoolError(msg)
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    loose = sum(is_image_name(entry.name) and entry.is_file() for entry in entries)
    if not folders:
        msg = (
            f"Expected {root} to hold one folder a class, found no folders and {loose} loose image files; "
            "put the images of each class into a folder of their own."
        )
        raise PoolError(msg)
    for folder in folders:
        if printable(folder) != folder:
            msg = f"Expected folder names in UTF-8 in {root}, found {printable(folder)!r}; rename the folder."
            raise PoolError(msg)
    if loose:
        _log.warning("%d image files directly in %s belong to no class and are ignored.", loose, root)
    return folders
