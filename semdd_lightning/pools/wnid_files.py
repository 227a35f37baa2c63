"""What ImageNet and Tiny-ImageNet share: the splits ``train`` and ``val``, and classes told by wnid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.folders import choose_by_wnid
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.class_folders import require_folder, require_images
from semdd_lightning.pools.files import list_files
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import FileSource, Listing, file_stamp
from semdd_lightning.pools.strings import Strings


@dataclass(frozen=True)
class WnidFiles(DiskPool):
    """A data set with a folder a split, whose classes are its sorted wnids or those that a list chooses.

    Args:
        path: The folder that holds ``train`` or ``val``.
        classes: Class list that chooses, orders and names classes by wnid: a ``.txt`` (one class a line) or
            ``.csv`` file (``name,folder,wnid,teacher_index``), or the name of a data set, as `imagenette`.
        class_names: The class list written out, in class order: a wnid, or ``wnid name`` each. Give it or
            `classes`, not both.
        split: Which split.
    """

    split: Literal["train", "val"] = "train"

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The classes of the list, or all wnids, sorted, with their names where the data set tells them."""
        wnids = self._wnids()
        listed = self._class_list(default if default is not None and default.wnids is not None else None)
        if listed is None:
            classes = ClassRegistry(self._names(wnids), wnids, wnids, folders_given=True)
        else:
            classes = choose_by_wnid(wnids, listed)
        if self._is_flat():
            self._require_labels()
        else:
            require_images(self._split_folder(), classes.folders)
        return classes, lambda: self._list({wnid: c for c, wnid in enumerate(classes.folders)})

    def _list(self, classes: dict[str, int]) -> Listing:
        """Every image file of the split whose class is asked for."""
        if not self._is_flat():
            return list_files(self._split_folder(), list(classes.items()))
        images, wnids = self._flat_images()
        return list_labelled_files(images, {f: classes[wnid] for f, wnid in wnids.items() if wnid in classes})

    @abstractmethod
    def _wnids(self) -> tuple[str, ...]:
        """All wnids, sorted."""

    @abstractmethod
    def _is_flat(self) -> bool:
        """Whether the images of the split lie in one folder for all classes."""

    @abstractmethod
    def _require_labels(self) -> None:
        """Refuse flat images without the file that tells their classes."""

    @abstractmethod
    def _flat_images(self) -> tuple[Path, dict[str, str]]:
        """The folder of flat images, and the wnid of each by its file's name."""

    def _names(self, wnids: tuple[str, ...]) -> tuple[str, ...]:
        return wnids

    def _root(self) -> Path:
        return require_folder(self._existing())

    def _split_folder(self) -> Path:
        folder = self._root() / self.split
        if not folder.is_dir():
            msg = f"Expected the folder {self.split} in {folder.parent}, found none; correct path or split."
            raise PoolError(msg)
        return folder


def list_labelled_files(root: Path, labels: Mapping[str, int]) -> Listing:
    """The listed files, in path order; one that is not there is a problem of its row.

    Args:
        root: Folder that holds them.
        labels: Class index of each file, by its path below `root`.
    """
    files = sorted(labels)
    stamps = np.zeros((len(files), 3), dtype=np.int64)
    problems = {}
    for row, file in enumerate(files):
        if (root / file).is_file():
            stamps[row] = file_stamp(root / file)
        else:
            problems[row] = "unreadable: not a regular file"
    paths = Strings(files)
    classes = np.array([labels[file] for file in files], dtype=np.int64)
    return Listing(root, paths, classes, stamps, FileSource(root, paths), problems)
