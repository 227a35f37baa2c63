"""From image files to a `Pool`: every file is read, hashed and decoded once."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import UnidentifiedImageError
from rich.console import Console
from rich.progress import track

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.files import printable
from semdd_lightning.pools.images import contrast, decode_image
from semdd_lightning.pools.pool import ExcludedImage, Pool

_PROGRESS_FROM = 2_000  # files; fewer are done before a bar can be read
_BLOCK = 1_024  # files given to the threads at once, so that a million files are not a million futures
_NEAR_CONSTANT = 2.0  # grey levels out of 255; photographs and drawings have tens of them
_UNDECODABLE_NAME = "unreadable: file name is not UTF-8"


def index_images(root: Path, files: Sequence[tuple[str, int]], registry: ClassRegistry) -> Pool:
    """Read, hash and decode image files and keep those that are readable and distinct within their class.

    Of byte-identical files of one class, the one whose path sorts first stays. The order of `files` and
    the number of threads change nothing. Images of nearly one colour, and images that stand in two classes,
    are kept, and a warning says how many there are.

    Args:
        root: Folder that the paths are relative to.
        files: Relative posix path and class index of each image file.
        registry: The classes.

    Raises:
        PoolError: If none of the files can be read as an image.
    """
    files = sorted(files)
    kept: list[tuple[str, int, str]] = []
    excluded: list[ExcludedImage] = []
    first_with: dict[tuple[int, str], str] = {}  # (class, content) -> path
    flat: list[str] = []
    for (path, class_index), found in zip(files, _examine_all(root, files), strict=True):
        problem = found.problem
        if problem is None:
            twin = first_with.setdefault((class_index, found.digest), path)
            problem = None if twin == path else f"duplicate of {twin}"
        if problem is None:
            kept.append((path, class_index, found.digest))
            if found.contrast < _NEAR_CONSTANT:
                flat.append(path)
        else:
            excluded.append(ExcludedImage(printable(path), class_index, problem))
    if not kept:
        example = f"{excluded[0].path}: {excluded[0].reason}" if excluded else "there are no image files"
        msg = (
            f"Expected readable images in {root}, found none among {len(files)} files ({example}); "
            "make the pool again or correct the path."
        )
        raise PoolError(msg)
    _warn_of_flat_images(flat, len(kept))
    _warn_of_images_in_two_classes(kept)
    return Pool(
        root=root,
        paths=tuple(path for path, _, _ in kept),
        labels=np.array([class_index for _, class_index, _ in kept], dtype=np.int64),
        registry=registry,
        excluded=tuple(excluded),
        fingerprint=pool_fingerprint([(path, digest) for path, _, digest in kept]),
    )


def pool_fingerprint(images: Sequence[tuple[str, str]]) -> str:
    """SHA-256 (hex) over the (relative path, content hash) lines of a pool, whatever their order.

    Args:
        images: Relative posix path and content hash (hex) of each image.
    """
    lines = "".join(f"{path}\t{digest}\n" for path, digest in sorted(images))
    return hashlib.sha256(lines.encode()).hexdigest()


class _Examined(NamedTuple):
    """What reading one file told."""

    digest: str = ""
    contrast: float = 0.0
    problem: str | None = None  # why the file is unusable


def _warn_of_flat_images(flat: Sequence[str], num_images: int) -> None:
    if flat:
        warnings.warn(
            f"Expected images to show something, found {len(flat)} of {num_images} nearly constant (standard "
            f"deviation below {_NEAR_CONSTANT:g} of 255), for example {flat[0]}; a generator may have "
            "collapsed. They stay in the pool: look at them, and remove those that show nothing.",
            stacklevel=4,
        )


def _warn_of_images_in_two_classes(kept: Sequence[tuple[str, int, str]]) -> None:
    """`kept` holds path, class index and content hash, every content once in a class."""
    first_with: dict[str, str] = {}
    pairs: dict[str, tuple[str, str]] = {}  # content -> the first two paths
    for path, _, digest in kept:
        first = first_with.setdefault(digest, path)
        if first != path:
            pairs.setdefault(digest, (first, path))
    if pairs:
        first, second = next(iter(pairs.values()))
        warnings.warn(
            f"Expected every image in one class, found {len(pairs)} that stand byte for byte in several, for "
            f"example {first} and {second}; their labels contradict each other. They stay in the pool: "
            "remove them where they do not belong.",
            stacklevel=4,
        )


def _examine_all(root: Path, files: Sequence[tuple[str, int]]) -> Iterator[_Examined]:
    """What each file holds, in order, with a progress bar on a terminal."""
    console = Console(stderr=True)
    quiet = len(files) < _PROGRESS_FROM or not console.is_terminal
    with ThreadPoolExecutor() as threads:  # PIL and hashlib release the GIL
        examined = (
            result
            for start in range(0, len(files), _BLOCK)
            for result in threads.map(
                partial(_examine, root), [path for path, _ in files[start : start + _BLOCK]]
            )
        )
        yield from track(
            examined, "Reading images", total=len(files), console=console, transient=True, disable=quiet
        )


def _examine(root: Path, path: str) -> _Examined:
    """Content hash and contrast of a file, or why it is unusable."""
    if printable(path) != path:
        return _Examined(problem=_UNDECODABLE_NAME)
    file = root / path
    if not file.is_file():  # a dangling link, or a pipe that would block the read for ever
        return _Examined(problem="unreadable: not a regular file")
    try:
        content = file.read_bytes()
        if not content:
            return _Examined(problem="unreadable: empty file")
        image = decode_image(content)
    except OSError as error:
        return _Examined(problem=f"unreadable: {_short_reason(error)}")
    return _Examined(hashlib.sha256(content).hexdigest(), contrast(image))


def _short_reason(error: OSError) -> str:
    """What went wrong, without paths and memory addresses, which would differ between two runs."""
    if error.strerror:
        return error.strerror
    return "no known image format" if isinstance(error, UnidentifiedImageError) else str(error)
