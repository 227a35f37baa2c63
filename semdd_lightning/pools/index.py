"""From a listing to a `Pool`: every image is read, hashed and decoded once."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.names import warn
from semdd_lightning.pools.images import contrast, decode_image
from semdd_lightning.pools.index_cache import USABLE, Examined, IndexCache
from semdd_lightning.pools.listing import ImageSource, Listing
from semdd_lightning.pools.perceptual_hashes import perceptual_hash
from semdd_lightning.pools.pool import NEAR_CONSTANT, ExcludedImages, ImageTraits, Pool, pool_fingerprint
from semdd_lightning.pools.strings import Strings
from semdd_lightning.progress import image_progress, map_ahead

_SAVE_SECONDS = 60.0  # of reading that a killed process may lose
_BATCH = 64  # images that a thread takes at once, so that handing over costs little beside reading

_Found = tuple[tuple[Any, ...], str, bool]
"""Traits of an image, as `ImageTraits` has them, or why it has none; and whether the bytes always tell so."""


def index_images(listing: Listing, registry: ClassRegistry, cache_dir: Path | None = None) -> Pool:
    """Read, hash and decode images and keep those that are readable and distinct within their class.

    Of byte-identical images of one class, the one whose path sorts first stays. The number of threads
    changes nothing. Images of nearly one colour, and images that stand in two classes, are kept, and a
    warning says how many there are. What the cache knows of an unchanged file is not found out again.

    Args:
        listing: What to read.
        registry: The classes.
        cache_dir: Root of the cache (default: SEMDD_CACHE or the user's cache folder).

    Raises:
        PoolError: If none of the images can be read.
    """
    listing = listing.in_path_order()
    examined = _examine_all(listing, cache_dir)
    usable = np.flatnonzero(examined.codes == USABLE)
    first = np.arange(len(listing))
    first[usable] = usable[_first_equal(examined.traits.digests[usable], listing.labels[usable])]
    kept = usable[first[usable] == usable]
    excluded = _excluded(listing, examined, first)
    if not len(kept):
        example = f"{excluded[0].path}: {excluded[0].reason}" if excluded else "there are no image files"
        msg = (
            f"Expected readable images in {listing.root}, found none among {len(listing)} files ({example}); "
            "make the pool again or correct the path."
        )
        raise PoolError(msg)
    paths, traits, labels = listing.paths, examined.traits, listing.labels
    if len(kept) < len(listing):
        paths, traits, labels = paths.take(kept), traits.take(kept), labels[kept]
    _warn_of_content(paths, traits)
    fingerprint = pool_fingerprint(paths, traits.digests)
    pa.default_memory_pool().release_unused()  # Arrow keeps what the cached table took, twice the columns
    return Pool(listing.root, paths, labels, registry, excluded, fingerprint, listing.source, kept, traits)


def _first_equal(digests: NDArray[np.uint8], labels: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """For each image the first one that is byte for byte the same, which may be itself.

    Where there are labels, only images of one class count as the same.

    >>> _first_equal(np.array([[7] * 32, [0] * 32, [7] * 32], dtype=np.uint8)).tolist()
    [0, 1, 0]
    """
    words = np.ascontiguousarray(digests).view(np.uint64)  # (N, 4)
    keys = [*words.T] if labels is None else [*words.T, labels]
    order = np.lexsort(keys)  # stable: equal images stay in their order
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.logical_or.reduce([key[order[1:]] != key[order[:-1]] for key in keys])
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
    return first


def _examine_all(listing: Listing, cache_dir: Path | None) -> Examined:
    """What each image holds, out of the cache where it can be."""
    cache = IndexCache(listing, cache_dir)
    examined = cache.recall()
    if examined.known.all():
        cache.store(examined)  # without what has vanished
        return examined
    with cache.turn():  # several processes that need the same images read each once
        if cache.was_renewed:
            examined = cache.recall()
        rows, saved = np.flatnonzero(~examined.known), time.monotonic()
        try:
            with image_progress("Reading images", len(rows), after=1.0, keep=False) as advance:
                for count in _examine(listing, examined, rows):
                    advance(count)
                    if time.monotonic() - saved > _SAVE_SECONDS:
                        cache.store(examined)
                        saved = time.monotonic()
        finally:
            cache.store(examined)
    return examined


def _examine(listing: Listing, examined: Examined, rows: NDArray[np.int64]) -> Iterator[int]:
    """Read, hash and decode rows in threads, enter what they tell, and yield how many were entered."""

    def look(batch: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[_Found]]:
        return batch, [_look_at(listing.source, row) for row in batch.tolist()]

    batches = (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))
    workers = min(32, (os.cpu_count() or 1) + 4)  # PIL and hashlib release the GIL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such an image is refused, and said
        for batch, found in map_ahead(look, batches, workers=workers, ahead=4 * workers):
            for row, (traits, reason, lasting) in zip(batch.tolist(), found, strict=True):
                for column, value in zip(vars(examined.traits).values(), traits, strict=False):
                    column[row] = value
                examined.codes[row] = examined.code(reason)
                examined.known[row], examined.lasting[row] = True, lasting
            yield len(batch)


def _look_at(source: ImageSource, row: int) -> _Found:
    """Content hash and traits of an image, or why it is unusable."""
    try:
        content = source.read(row)
    except OSError as error:
        return (), f"unreadable: {_short_reason(error)}", False
    if not content:
        return (), "unreadable: empty file", True
    try:
        image = decode_image(content)
    except OSError as error:
        return (), f"unreadable: {_short_reason(error)}", True
    except MemoryError:
        return (), "unreadable: not enough memory to decode it", False
    digest = np.frombuffer(hashlib.sha256(content).digest(), dtype=np.uint8)
    return (*image.size, contrast(image), digest, perceptual_hash(image)), "", True


def _short_reason(error: OSError) -> str:
    """What went wrong, without paths and memory addresses, which would differ between two runs."""
    if error.strerror:
        return error.strerror
    return "no known image format" if isinstance(error, UnidentifiedImageError) else str(error)


def _excluded(listing: Listing, examined: Examined, first: NDArray[np.int64]) -> ExcludedImages:
    """Unusable images, and those that are the same as the `first` of their class."""
    twin = first != np.arange(len(first))
    rows = np.flatnonzero(twin | (examined.codes != USABLE))
    duplicate = Strings.joined("duplicate of ", listing.paths.take(first[rows]))
    reasons = pc.if_else(pa.array(twin[rows]), duplicate.column, examined.reasons_of(rows).column)
    return ExcludedImages(listing.paths.take(rows), listing.labels[rows], Strings(reasons))


def _warn_of_content(paths: Strings, traits: ImageTraits) -> None:
    """Warn of images that show nothing, and of those in two classes: in one class each is there once."""
    flat = np.flatnonzero(traits.contrasts < NEAR_CONSTANT)
    if len(flat):
        warn(
            f"Expected images to show something, found {len(flat)} of {len(paths)} nearly constant (standard "
            f"deviation below {NEAR_CONSTANT:g} of 255), for example {paths[flat[0]]}; a generator may have "
            "collapsed. They stay in the pool: look at them, and remove those that show nothing.",
            stacklevel=4,
        )
    first = _first_equal(traits.digests)
    again = np.flatnonzero(first != np.arange(len(first)))
    if len(again):
        warn(
            f"Expected every image in one class, found {len(np.unique(first[again]))} that stand byte for "
            f"byte in several, for example {paths[first[again[0]]]} and {paths[again[0]]}; their labels "
            "contradict each other. They stay in the pool: remove them where they do not belong.",
            stacklevel=4,
        )
