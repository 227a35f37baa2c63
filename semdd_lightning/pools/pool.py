"""The image pool: which images there are, of which class, and which were left out and why."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import SelectionError, TooFewImagesError


@dataclass(frozen=True)
class ExcludedImage:
    """An image file of the pool that cannot be chosen.

    Args:
        path: Relative posix path below the pool's root.
        class_index: Class of the folder it lies in.
        reason: ``unreadable: <why>`` or ``duplicate of <path>``.
    """

    path: str
    class_index: int
    reason: str


@dataclass(frozen=True, eq=False)
class Pool:
    """The distinct usable images of a pool, in path order.

    An image is identified by its relative path; compare two pools by `fingerprint`.

    Args:
        root: Folder that `paths` are relative to.
        paths: Relative posix paths, sorted.
        labels: Class index of each image, shape ``(N,)``.
        registry: The classes.
        excluded: Image files that were left out, in path order.
        fingerprint: SHA-256 (hex) over path and content of every image in `paths`.
    """

    root: Path
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    registry: ClassRegistry
    excluded: tuple[ExcludedImage, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.paths)

    def file(self, index: int) -> Path:
        """The file of image `index`."""
        return self.root / self.paths[index]

    def counts(self) -> NDArray[np.int64]:
        """Number of usable images of each class, shape ``(C,)``."""
        return np.bincount(self.labels, minlength=len(self.registry)).astype(np.int64)


def require_images_per_class(pool: Pool, ipc: int) -> None:
    """Refuse a budget that a class cannot fill; warn where it leaves nothing to choose.

    Args:
        pool: The pool to choose from.
        ipc: Images to choose per class, at least 1.

    Raises:
        TooFewImagesError: If a class holds fewer than `ipc` usable images; every such class is named.
        SelectionError: If `ipc` is below 1.
    """
    if ipc < 1:
        msg = f"Expected ipc to be at least 1, found {ipc}; ask for one image per class or more."
        raise SelectionError(msg)
    counts = pool.counts()
    short = np.flatnonzero(counts < ipc)
    if len(short):
        left_out = Counter(image.class_index for image in pool.excluded)
        found = "; ".join(
            f"{_class_label(pool.registry, c)}: needed {ipc}, found {counts[c]} usable"
            f" ({left_out[c]} excluded as unreadable or duplicate)"
            for c in short.tolist()
        )
        msg = (
            f"Expected at least {ipc} distinct usable images in every class, found fewer in {len(short)} of "
            f"{len(pool.registry)} classes: {found}; lower ipc to {counts.min()} or add images."
        )
        raise TooFewImagesError(msg)
    exact = np.flatnonzero(counts == ipc).tolist()
    if exact:
        names = ", ".join(_class_label(pool.registry, c) for c in exact)
        warnings.warn(
            f"Nothing was chosen in {len(exact)} of {len(pool.registry)} classes, which hold exactly "
            f"{ipc} usable images: {names}.",
            stacklevel=2,
        )


def _class_label(registry: ClassRegistry, class_index: int) -> str:
    """Name of a class, with its folder where that says more (names may stand twice)."""
    name, folder = registry.names[class_index], registry.folders[class_index]
    return repr(name) if name == folder else f"{name!r} (folder {folder!r})"
