"""Image files in one folder whose classes a list tells, not their folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from semdd_lightning.pools.listing import FileSource, Listing
from semdd_lightning.pools.stamps import file_stamp
from semdd_lightning.pools.strings import Strings


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
