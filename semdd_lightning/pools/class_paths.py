"""Paths of images that are no files of their own: ``<class folder>/<name>``."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools.strings import Strings


def class_paths(registry: ClassRegistry, labels: NDArray[np.int64], names: Strings) -> Strings:
    """Paths ``<class folder>/<name>``, unsorted.

    Args:
        registry: The classes.
        labels: Class index of each image, shape ``(N,)``.
        names: Name of each image, ``(N,)``.
    """
    return Strings.joined(Strings(registry.folders).take(labels), "/", names)


def numbered_names(stem: str, rows: NDArray[np.int64], count: int, suffix: str | Strings) -> Strings:
    """Names ``<stem>-<row><suffix>``, the rows padded so that they sort as numbers.

    >>> list(numbered_names("images", np.array([3, 11]), 12, ".png"))
    ['images-03.png', 'images-11.png']

    Args:
        stem: What the names begin with.
        rows: Row of each name, shape ``(N,)``, each below `count`.
        count: How many rows there are in all.
        suffix: What the names end in, or what each does.
    """
    padded = pc.utf8_lpad(pa.array(rows).cast(pa.large_string()), len(str(max(count - 1, 0))), "0")
    return Strings.joined(f"{stem}-", Strings(padded), suffix)
