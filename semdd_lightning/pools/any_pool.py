"""A pool of any layout: recognised by its names, or by the name that is given."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools.layouts import AUTO
from semdd_lightning.pools.listing import Listing
from semdd_lightning.pools.reader import DiskPool
from semdd_lightning.pools.sniffing import FoundLayout, sniff

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnyPool(DiskPool):
    """A pool of any known layout on disk.

    Args:
        path: The pool, or a folder that only wraps it; for tar shards also a pattern.
        classes: Class list: a ``.txt`` (one class a line) or ``.csv`` file
            (``name,folder,wnid,teacher_index``), or the name of a data set, as `imagenette`.
        class_names: The class list written out, in class order: a name, a wnid, or ``wnid name`` each.
            Give it or `classes`, not both.
        layout: Name of the layout; `auto` recognises it by the names of folders and files.
    """

    layout: str = AUTO

    def found(self) -> FoundLayout:
        """The layout, where it begins, and by what it was recognised.

        Raises:
            PoolError: If nothing is there, or no layout fits.
        """
        return sniff(self.path, self.layout)

    def reader(self) -> DiskPool:
        """The reader of the layout.

        Raises:
            PoolError: If nothing is there, or no layout fits.
        """
        found = self.found()
        return found.layout.reader_class()(found.path, self.classes, self.class_names)

    def check(self) -> None:
        """Find out, without decoding, whether a layout fits and its reader can read the pool.

        Raises:
            PoolError: If no layout fits, or the pool is malformed.
            ClassListError: If the pool and the class list do not fit together.
        """
        found = self.found()
        if found.wrappers:
            _log.info("The pool begins in %s: %s.", found.path, found.evidence)
        self.reader().check()

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The classes as the layout's reader finds them.

        Args:
            default: Classes to read the pool by where there is no class list.
        """
        return self.reader().registry(default)

    def listing(self, registry: ClassRegistry | None = None) -> Listing:
        """Every image, as the layout's reader lists it."""
        return self.reader().listing(registry)
