"""Pictures that stand twice in a pool, and test pictures that have leaked into it, however they were saved.

Two images are near duplicates if one could be the other encoded, resized or brightened anew, or mirrored
(augmentation mirrors too, so that a mirrored test image gives away as much as the test image). Two
photographs of one thing are not. Candidates come from the perceptual hashes that the pool's index keeps; each
image of a candidate pair is then decoded once, and the distance of the thumbnails decides.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.close_hashes import Pairs, close_pairs
from semdd_lightning.pools.images import decode_image
from semdd_lightning.pools.perceptual_hash import MIRRORED
from semdd_lightning.pools.picture_distance import SIDE, largest_distance, picture_distance, thumbnail
from semdd_lightning.pools.pool import NEAR_CONSTANT, Pool
from semdd_lightning.progress import image_progress

_PAIRS = 2_048  # compared at a time
_IMAGES = 1_024  # given to the threads at a time


def near_duplicates(pool: Pool) -> pd.DataFrame:
    """Find the images that look like an image before them in path order.

    Each such image has one row, with the image before it that it is closest to: there are as many rows as
    images that add next to nothing. Nearly constant images count only where they are the same bytes.

    Args:
        pool: The images.

    Returns:
        Columns `first` and `second` (indices into the pool, `first` the smaller), `first_path` and
        `second_path`, `distance` (of the thumbnails, 0 to `MAX_DISTANCE`), `mirrored` (whether one is the
        other's mirror image) and `identical` (whether the bytes are the same), the closest pairs first.

    Raises:
        PoolError: If an image cannot be read any more.
    """
    earliest = _same_bytes(pool, pool)
    again = np.flatnonzero(earliest < np.arange(len(pool)))
    matches = pd.concat([_identical(earliest[again], again), _alike(pool)])
    return _table(_closest(matches, "second"), pool, pool)


def leaked_images(pool: Pool, test: Pool) -> pd.DataFrame:
    """Find the images of a pool that look like a test image, and the test images that they look like.

    Each image of the pool that looks like a test image has a row with the closest one, and each test image
    that has such an image has a row with the closest: the distinct values of `first`, and of `second`, are
    all that are affected.

    Args:
        pool: The images to train on.
        test: The images to test on.

    Returns:
        The columns of `near_duplicates`; `first` counts in the pool, `second` in the test set.

    Raises:
        PoolError: If an image cannot be read any more.
    """
    in_test, in_pool = _same_bytes(pool, test), _same_bytes(test, pool)
    leaked, given_away = np.flatnonzero(in_test >= 0), np.flatnonzero(in_pool >= 0)
    matches = pd.concat(
        [
            _identical(leaked, in_test[leaked]),
            _identical(in_pool[given_away], given_away),
            _alike(pool, test),
        ]
    )
    closest = pd.concat([_closest(matches, "first"), _closest(matches, "second")])
    return _table(closest.drop_duplicates(["first", "second"]), pool, test)


def _matches(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    distance: NDArray[np.float64] | float,
    mirrored: NDArray[np.bool_] | bool,
    identical: bool,
) -> pd.DataFrame:
    """Pairs of images, a row a pair."""
    count = len(first)
    return pd.DataFrame(
        {
            "first": first,
            "second": second,
            "distance": np.broadcast_to(np.asarray(distance, np.float64), count),
            "mirrored": np.broadcast_to(np.asarray(mirrored, np.bool_), count),
            "identical": np.full(count, identical),
        }
    )


def _identical(first: NDArray[np.int64], second: NDArray[np.int64]) -> pd.DataFrame:
    return _matches(first, second, distance=0.0, mirrored=False, identical=True)


def _closest(matches: pd.DataFrame, side: str) -> pd.DataFrame:
    """For each image on one side the closest match; among equals one of the same bytes, then the first."""
    order = matches.sort_values(
        [side, "distance", "identical", "mirrored", "first", "second"],
        ascending=[True, True, False, True, True, True],
    )
    return order.drop_duplicates(side)


def _table(matches: pd.DataFrame, pool: Pool, other: Pool) -> pd.DataFrame:
    table = matches.sort_values(["distance", "first", "second"], ignore_index=True)
    table.insert(2, "first_path", list(pool.paths.take(table["first"].to_numpy())))
    table.insert(3, "second_path", list(other.paths.take(table["second"].to_numpy())))
    return table


def _same_bytes(images: Pool, others: Pool) -> NDArray[np.int64]:
    """For each image the first of the others that has the same bytes, -1 where none has, shape ``(N,)``."""
    if len(others) == 0:
        return np.full(len(images), -1)
    digests, other_digests = images.traits.digests, others.traits.digests
    leading, other_leading = (
        np.ascontiguousarray(all_bytes[:, :8]).view(np.uint64)[:, 0] for all_bytes in (digests, other_digests)
    )
    order = np.argsort(other_leading, kind="stable")
    found = order[np.searchsorted(other_leading, leading, sorter=order).clip(max=len(order) - 1)]
    return np.where((digests == other_digests[found]).all(axis=1), found, -1)


def _alike(pool: Pool, test: Pool | None = None) -> pd.DataFrame:
    """The pairs of near duplicates, within a pool or between it and a test set."""
    plain, flipped = (_candidates(pool, test, bits) for bits in (0, MIRRORED))
    first, second = (np.concatenate(rows) for rows in zip(plain, flipped, strict=True))
    mirrored = np.arange(len(first)) >= len(plain[0])
    # Images of the pool and the test set are numbered through, so that each is decoded once.
    shift = 0 if test is None else len(pool)
    images, at = np.unique(np.concatenate([first, second + shift]), return_inverse=True)
    thumbnails = _thumbnails(images, pool, test)
    at_first, at_second = np.split(at, 2)
    distance = np.empty(len(first))
    for start in range(0, len(first), _PAIRS):
        block = slice(start, start + _PAIRS)
        seen = thumbnails[at_first[block]]
        seen[mirrored[block]] = seen[mirrored[block], :, ::-1]
        distance[block] = picture_distance(seen, thumbnails[at_second[block]])
    areas = np.maximum(_areas(pool)[first], _areas(pool if test is None else test)[second])
    near = distance <= largest_distance(areas)
    return _matches(first[near], second[near], distance[near], mirrored[near], identical=False)


def _candidates(pool: Pool, test: Pool | None, flipped: int) -> Pairs:
    """Pairs of images that are not nearly constant and have close hashes."""
    rows = _with_content(pool)
    hashes = pool.traits.perceptual_hashes[rows]
    if test is None:
        first, second = close_pairs(hashes, flipped=flipped)
        return rows[first], rows[second]
    test_rows = _with_content(test)
    first, second = close_pairs(hashes, test.traits.perceptual_hashes[test_rows], flipped=flipped)
    return rows[first], test_rows[second]


def _with_content(pool: Pool) -> NDArray[np.int64]:
    return np.flatnonzero(pool.traits.contrasts >= NEAR_CONSTANT)


def _areas(pool: Pool) -> NDArray[np.int64]:
    return pool.traits.widths.astype(np.int64) * pool.traits.heights


def _thumbnails(images: NDArray[np.int64], pool: Pool, test: Pool | None) -> NDArray[np.uint8]:
    """Thumbnails of images, those of the test set numbered after the pool's, shape ``(n, S, S, 3)``."""
    thumbnails = np.empty((len(images), SIDE, SIDE, 3), dtype=np.uint8)
    progress = image_progress("Comparing look-alikes", len(images), after=1.0, keep=False)
    with ThreadPoolExecutor() as threads, progress as advance:  # PIL releases the GIL
        for start in range(0, len(images), _IMAGES):
            made = threads.map(partial(_thumbnail, pool, test), images[start : start + _IMAGES])
            for row, pixels in enumerate(made, start):
                thumbnails[row] = pixels
            advance(len(images[start : start + _IMAGES]))
    return thumbnails


def _thumbnail(pool: Pool, test: Pool | None, image: int) -> NDArray[np.uint8]:
    source, index = (pool, image) if test is None or image < len(pool) else (test, image - len(pool))
    try:
        return thumbnail(decode_image(source.read(index)))
    except OSError as error:
        msg = (
            f"Expected {source.paths[index]} of {source.root} to be readable, as before, found: {error}; "
            "bring it back, or start again without it."
        )
        raise PoolError(msg) from error
