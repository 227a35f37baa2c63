"""Images whose labels stand beside them: in a table, in members of a tar, in an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools.class_paths import class_paths
from semdd_lightning.pools.image_set import Found
from semdd_lightning.pools.listing import ImageSource, Listing
from semdd_lightning.pools.stated_labels import StatedLabels
from semdd_lightning.pools.strings import Strings

Located = tuple[NDArray[np.int64], ImageSource, Mapping[int, str]]
"""Stamps, source and problems of images, as a `Listing` has them."""


@dataclass(frozen=True, eq=False)
class StatedImages:
    """The rows of a container with their labels, before these are anybody's classes.

    Args:
        root: Folder, or file, that they were read from.
        stated: Label of each row, N of them.
        names: Name of each row's image, which comes below its class folder.
        what: What the rows are, in the plural, for a warning of those without a label.
        locate: Says where the images of rows are; asked once they are listed.
    """

    root: Path
    stated: StatedLabels
    names: Strings
    what: str
    locate: Callable[[NDArray[np.int64]], Located]

    def found(self, class_list: ClassRegistry | None) -> Found:
        """The classes, and the listing of every image that has a label, as ``<class>/<name>``.

        Args:
            class_list: The class list; without one the labels are the classes.

        Raises:
            ClassListError: If labels and class list do not fit, or a class has no image.
        """
        classes = self.stated.registry(class_list)
        return classes, lambda: self._list(classes)

    def _list(self, classes: ClassRegistry) -> Listing:
        rows, labels = self.stated.labelled(classes, self.what)
        paths = class_paths(classes, labels, self.names.take(rows))
        order = paths.order()
        return Listing(self.root, paths.take(order), labels[order], *self.locate(rows[order]))
