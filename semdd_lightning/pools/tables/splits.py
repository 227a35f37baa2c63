"""Which split of a data set a file belongs to, judged by the names of its folders and its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError

# The words that the Hugging Face hub knows as splits.
_SPLITS = frozenset(
    {"train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation"}
)


def split_of(path: str) -> str | None:
    """The split that a path names: a folder of such a name, else the first word of the file's name.

    >>> split_of("data/train-00000-of-00002.parquet"), split_of("test/0001.png"), split_of("tests.parquet")
    ('train', 'test', None)

    Args:
        path: Path below the data set's root, posix.
    """
    *folders, name = path.lower().split("/")
    words = (*folders, re.split(r"[^a-z]", name)[0])
    return next((word for word in words if word in _SPLITS), None)


def rows_of_split(paths: Sequence[str], split: str | None, place: Path) -> NDArray[np.int64]:
    """The positions of the paths of one split; splits are never mixed unseen, or test images are trained on.

    Args:
        paths: Paths below the data set's root, posix.
        split: The split to keep: a folder's name, or what file names begin with; none keeps all paths.
        place: The root, for messages.

    Raises:
        PoolError: If there are several splits and none is asked for, or the one asked for is not there.
    """
    found = sorted({word for word in map(split_of, paths) if word is not None})
    if split is None:
        if len(found) > 1:
            msg = f"Expected one split in {place}, found {some_of(found)}; name one of them as split."
            raise PoolError(msg)
        return np.arange(len(paths))
    begins = re.compile(re.escape(split) + "(?![A-Za-z])")
    parts = (path.split("/") for path in paths)
    kept = [row for row, part in enumerate(parts) if split in part[:-1] or begins.match(part[-1])]
    if not kept:
        there = some_of(found) if found else "names of no split"
        msg = f"Expected files of split {split!r} in {place}, found {there}; correct split or leave it out."
        raise PoolError(msg)
    return np.array(kept, dtype=np.int64)
