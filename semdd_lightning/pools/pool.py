"""The image pool: which images there are, of which class, and which were left out and why."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError, SelectionError, TooFewImagesError
from semdd_lightning.names import warn
from semdd_lightning.pools.images import decode_image, went_bad
from semdd_lightning.pools.listing import ImageSource, Listing, TakenRows
from semdd_lightning.pools.strings import Strings

NEAR_CONSTANT = 2.0
"""Contrast in grey levels of 255 below which an image shows next to nothing; photographs have tens."""

_BLOCK = 4_096


@dataclass(frozen=True, eq=False)
class ImageTraits:
    """What decoding told of each image.

    Args:
        widths: Pixels, shape ``(N,)``.
        heights: Pixels, shape ``(N,)``.
        contrasts: Standard deviation of the channel that varies most, in grey levels of 255, shape ``(N,)``.
        digests: SHA-256 of the bytes, shape ``(N, 32)``.
        perceptual_hashes: 64 bits that hardly change where an image is encoded or resized, shape ``(N,)``.
    """

    widths: NDArray[np.int32]
    heights: NDArray[np.int32]
    contrasts: NDArray[np.float32]
    digests: NDArray[np.uint8]
    perceptual_hashes: NDArray[np.uint64]

    def take(self, rows: NDArray[np.int64]) -> ImageTraits:
        """The traits of the images at `rows`."""
        return ImageTraits(*(getattr(self, column.name)[rows] for column in fields(self)))


@dataclass(frozen=True, eq=False)
class Pool:
    """The distinct usable images of a pool, in path order.

    An image is identified by its relative path; compare two pools by `fingerprint`.

    Args:
        root: Folder, or file, that the pool was read from.
        paths: Relative posix paths, sorted.
        labels: Class index of each image, shape ``(N,)``.
        registry: The classes.
        excluded: Images that were left out, in path order.
        fingerprint: SHA-256 (hex) over path and content of every image in `paths`.
        source: Gives the encoded bytes of each image.
        rows: Row of each image in `source`, shape ``(N,)``.
        traits: What decoding told of each image.
    """

    root: Path
    paths: Strings
    labels: NDArray[np.int64]
    registry: ClassRegistry
    excluded: Sequence[ExcludedImage]
    fingerprint: str
    source: ImageSource
    rows: NDArray[np.int64]
    traits: ImageTraits

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> bytes:
        """The encoded bytes of image `index`.

        Raises:
            PoolError: If they cannot be read any more.
        """
        with self._readable(index):
            return self.source.read(int(self.rows[index]))

    def image(self, index: int, at_least: int | None = None) -> Image.Image:
        """Image `index`, decoded to RGB as `decode_image` does it.

        Args:
            index: The image.
            at_least: Smallest side in pixels that will do, where a picture made smaller will.

        Raises:
            PoolError: If it cannot be read or decoded any more.
        """
        with self._readable(index):
            return decode_image(self.source.read(int(self.rows[index])), at_least)

    @contextmanager
    def _readable(self, index: int) -> Iterator[None]:
        """Name an image that went bad since the pool was indexed."""
        try:
            yield
        except OSError as error:
            raise went_bad(f"{self.paths[index]} of {self.root}", error) from error

    def file(self, index: int) -> Path | None:
        """The file that holds exactly image `index`, where there is one."""
        return self.source.file(int(self.rows[index]))

    def find(self, path: str) -> int:
        """The index of the image at `path`.

        Raises:
            PoolError: If the pool has no usable image there.
        """
        index = bisect_left(self.paths, path)
        if index < len(self) and self.paths[index] == path:
            return index
        msg = f"Expected a usable image {path} in {self.root}, found none; the pool has changed since."
        raise PoolError(msg)

    def take(self, indices: NDArray[np.int64]) -> Pool:
        """The images at `indices` as a pool, with the excluded ones of all.

        Args:
            indices: Which images, ascending, shape ``(n,)``.
        """
        paths, traits = self.paths.take(indices), self.traits.take(indices)
        return replace(
            self,
            paths=paths,
            labels=self.labels[indices],
            fingerprint=pool_fingerprint(paths, traits.digests),
            rows=self.rows[indices],
            traits=traits,
        )

    def listing(self) -> Listing:
        """The images as they were listed, without those that were excluded."""
        stamps = np.zeros((len(self), 3), dtype=np.int64)
        return Listing(self.root, self.paths, self.labels, stamps, TakenRows(self.source, self.rows))

    def counts(self) -> NDArray[np.int64]:
        """Number of usable images of each class, shape ``(C,)``."""
        return np.bincount(self.labels, minlength=len(self.registry)).astype(np.int64)

    @property
    def labels_digest(self) -> str:
        """SHA-256 (hex) over the class of every image, which the fingerprint leaves out."""
        return hashlib.sha256(self.labels.astype("<i8").tobytes()).hexdigest()


def pool_fingerprint(paths: Strings, digests: NDArray[np.uint8]) -> str:
    """SHA-256 (hex) over the ``path<tab>content hash`` lines of a pool in path order.

    Args:
        paths: Path of each image, sorted.
        digests: SHA-256 of the bytes of each, shape ``(N, 32)``.
    """
    fingerprint = hashlib.sha256()
    for start in range(0, len(paths), _BLOCK):
        block = zip(paths[start : start + _BLOCK], digests[start : start + _BLOCK], strict=True)
        fingerprint.update("".join(f"{path}\t{digest.tobytes().hex()}\n" for path, digest in block).encode())
    return fingerprint.hexdigest()


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
    short, exact = np.flatnonzero(counts < ipc).tolist(), np.flatnonzero(counts == ipc).tolist()
    if short:
        left_out = Counter(image.class_index for image in pool.excluded)
        found = "; ".join(
            f"{_class_label(pool.registry, c)}: needed {ipc}, found {counts[c]} usable"
            f" ({left_out[c]} excluded as unreadable or duplicate)"
            for c in short
        )
        msg = (
            f"Expected at least {ipc} distinct usable images in every class, found fewer in {len(short)} of "
            f"{len(pool.registry)} classes: {found}; lower ipc to {counts.min()} or add images."
        )
        raise TooFewImagesError(msg)
    if exact:
        names = ", ".join(_class_label(pool.registry, c) for c in exact)
        warn(
            f"Nothing was chosen in {len(exact)} of {len(pool.registry)} classes, which hold exactly "
            f"{ipc} usable images: {names}.",
            stacklevel=2,
        )


def _class_label(registry: ClassRegistry, class_index: int) -> str:
    """Name of a class, with its folder where that says more (names may stand twice)."""
    name, folder = registry.names[class_index], registry.folders[class_index]
    return repr(name) if name == folder else f"{name!r} (folder {folder!r})"


@dataclass(frozen=True)
class ExcludedImage:
    """An image of the pool that cannot be chosen.

    Args:
        path: Its path in the pool.
        class_index: Class that the layout puts it into.
        reason: ``unreadable: <why>`` or ``duplicate of <path>``.
    """

    path: str
    class_index: int
    reason: str


@dataclass(frozen=True, eq=False)
class ExcludedImages(Sequence[ExcludedImage]):
    """A read-only sequence of excluded images, held as columns: a broken pool may have a million of them.

    Args:
        paths: Path of each image.
        labels: Class index of each image, shape ``(N,)``.
        reasons: Why each is excluded.

    >>> excluded = ExcludedImages(Strings(["cat/a.png"]), np.array([0]), Strings(["unreadable: empty file"]))
    >>> excluded[0].reason, len(excluded[1:])
    ('unreadable: empty file', 0)
    """

    paths: Strings
    labels: NDArray[np.int64]
    reasons: Strings

    @overload
    def __getitem__(self, index: int) -> ExcludedImage: ...

    @overload
    def __getitem__(self, index: slice) -> ExcludedImages: ...

    def __getitem__(self, index: int | slice) -> ExcludedImage | ExcludedImages:
        if isinstance(index, slice):
            return ExcludedImages(self.paths[index], self.labels[index], self.reasons[index])
        return ExcludedImage(self.paths[index], int(self.labels[index]), self.reasons[index])

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[ExcludedImage]:
        return map(ExcludedImage, self.paths, map(int, self.labels), self.reasons)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
