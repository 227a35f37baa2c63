"""A pool of any layout: recognised by its names, or by the name that is given."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
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
        split: Split to read, as the layout's reader names it: `train` or `test` of CIFAR, `train` or `val` of
            ImageNet and Tiny-ImageNet, any of a Hugging Face data set; none takes the reader's own choice,
            which is the training split. Layouts without splits take none.
    """

    layout: str = AUTO
    split: str | None = None

    def found(self) -> FoundLayout:
        """The layout, where it begins, and by what it was recognised.

        Raises:
            PoolError: If nothing is there, or no layout fits.
        """
        return sniff(self.path, self.layout)

    def reader(self) -> DiskPool:
        """The reader of the layout.

        Raises:
            PoolError: If nothing is there, no layout fits, or the layout has no such split.
        """
        found = self.found()
        reader = found.layout.reader_class()(found.path, self.classes, self.class_names)
        return reader if self.split is None else _with_split(reader, self.split)

    def evaluation_split(self) -> str | None:
        """The name that the reader has for the split to test on: `test` of CIFAR, `val` of ImageNet.

        None for layouts whose readers name no splits.

        Raises:
            PoolError: If nothing is there, or no layout fits.
        """
        splits = _named_splits(self.found().layout.reader_class())
        return next((split for split in splits if split != "train"), None)

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


def _with_split(reader: DiskPool, split: str) -> DiskPool:
    if not any(field.name == "split" for field in fields(reader)):
        msg = (
            f"Expected no split for {reader.path}, found {split!r}; leave it out: {type(reader).__name__} "
            "reads all that is there."
        )
        raise PoolError(msg)
    known = _named_splits(type(reader))
    if known and split not in known:
        msg = (
            f"Expected a split of {reader.path} to be {' or '.join(known)}, as {type(reader).__name__} names "
            f"them, found {split!r}; give one of them."
        )
        raise PoolError(msg)
    change: dict[str, Any] = {"split": split}  # a field that the base class does not have
    return replace(reader, **change)


def _named_splits(reader_class: type[DiskPool]) -> tuple[str, ...]:
    """The splits that a reader knows by name; none where it has no splits or takes any name."""
    kind = get_type_hints(reader_class).get("split")
    return get_args(kind) if get_origin(kind) is Literal else ()
