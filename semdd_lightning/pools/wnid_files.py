"""What ImageNet and Tiny-ImageNet share: the splits ``train`` and ``val``, and classes told by wnid."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.folders import choose_by_wnid
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.class_folders import require_folder
from semdd_lightning.pools.reader import DiskPool


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

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The classes of the list, or all wnids, sorted, with their names where the data set tells them.

        Args:
            default: Classes to choose by wnid where there is no class list; those without wnids are not used.
        """
        wnids = self._wnids()
        listed = self._class_list(default if default is not None and default.wnids is not None else None)
        if listed is not None:
            return choose_by_wnid(wnids, listed)
        return ClassRegistry(self._names(wnids), wnids, wnids, folders_given=True)

    @abstractmethod
    def _wnids(self) -> tuple[str, ...]:
        """All wnids, sorted."""

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
