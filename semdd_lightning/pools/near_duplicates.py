"""Pictures that stand twice in a pool, and test pictures that have leaked into it, however they were saved.

Two images are near duplicates if one could be the other encoded, resized or brightened anew, or mirrored
(augmentation mirrors too, so that a mirrored test image gives away as much as the test image). Two
photographs of one thing are not. Candidates come from the perceptual hashes that the pool's index keeps; each
image of a candidate pair is then decoded once, and the distance of the thumbnails decides.
"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.pools.perceptual_hashes import MIRRORED, Pairs, close_pairs
from semdd_lightning.pools.pool import NEAR_CONSTANT, Pool
from semdd_lightning.progress import image_progress, map_ahead

SIDE = 16
"""Pixels of a thumbnail's side."""

MAX_DISTANCE = 0.2
"""`picture_distance` up to which two pictures of `FULL_AREA` pixels or more are one.

Of CIFAR-10's test images, 99.8 % are found by it after JPEG of quality 50, and none of the training images
is taken for one of another class (`benchmarks/duplicate_rates.py`).
"""

FULL_AREA = 32 * 32
"""Pixels below which a picture has so few details that more of them must agree."""

_RIM = 2  # pixels of the thumbnail
_PAIRS = 2_048  # compared at a time
_AHEAD = 1_024  # thumbnails that threads make in advance


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


def _identical(first: NDArray[np.int64], second: NDArray[np.int64]) -> pd.DataFrame:
    """Pairs of images of the same bytes, a row a pair."""
    pairs = {"first": first, "second": second}
    return pd.DataFrame(pairs).assign(distance=0.0, mirrored=False, identical=True)


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
    pairs = {"first": first, "second": second, "distance": distance, "mirrored": mirrored}
    return pd.DataFrame({name: column[near] for name, column in pairs.items()}).assign(identical=False)


def _candidates(pool: Pool, test: Pool | None, flipped: int) -> Pairs:
    """Pairs of images that are not nearly constant and have close hashes."""
    rows = _with_content(pool)
    others = rows if test is None else _with_content(test)
    other_hashes = None if test is None else test.traits.perceptual_hashes[others]
    first, second = close_pairs(pool.traits.perceptual_hashes[rows], other_hashes, flipped=flipped)
    return rows[first], others[second]


def _with_content(pool: Pool) -> NDArray[np.int64]:
    return np.flatnonzero(pool.traits.contrasts >= NEAR_CONSTANT)


def _areas(pool: Pool) -> NDArray[np.int64]:
    return pool.traits.widths.astype(np.int64) * pool.traits.heights


def _thumbnails(images: NDArray[np.int64], pool: Pool, test: Pool | None) -> NDArray[np.uint8]:
    """Thumbnails of images, those of the test set numbered after the pool's, shape ``(n, S, S, 3)``."""

    def make(image: int) -> NDArray[np.uint8]:
        source, index = (pool, image) if test is None or image < len(pool) else (test, image - len(pool))
        return thumbnail(source.image(index))

    thumbnails = np.empty((len(images), SIDE, SIDE, 3), dtype=np.uint8)
    workers = min(32, (os.cpu_count() or 1) + 4)  # PIL releases the GIL
    with image_progress("Comparing look-alikes", len(images), after=1.0, keep=False) as advance:
        for row, pixels in enumerate(map_ahead(make, images, workers=workers, ahead=_AHEAD)):
            thumbnails[row] = pixels
            advance(1)
    return thumbnails


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """An RGB picture of any size and shape, squeezed to 16 x 16 pixels, shape ``(16, 16, 3)``."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def picture_distance(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How unlike pictures are, pair by pair, whatever their brightness and contrast.

    One less the smallest of four correlations: of the steps between neighbouring pixels and of the signed
    square roots of these steps, each in the whole picture and in its inner three quarters. The steps alone
    would take two pictures for one that share a strong edge, as a horizon; their roots alone, two that share
    a soft shade, as a dark border; the whole alone, two that share a frame.

    >>> one, other = np.random.default_rng(0).integers(0, 200, (2, 1, 16, 16, 3), dtype=np.uint8)
    >>> picture_distance(one, one // 2 + 50).round(1), picture_distance(one, other).round(1)
    (array([0.]), array([1.]))

    Args:
        first: Thumbnails, shape ``(K, 16, 16, 3)``.
        second: The thumbnails to compare them with, same shape.

    Returns:
        Shape ``(K,)``: 0 for the same picture, about 1 for any two, at most 2; at least 1 where one has one
        colour, at least inside.
    """
    smallest = np.ones(len(first))
    for part in (slice(None), slice(_RIM, -_RIM)):
        steps, other_steps = _steps(first[:, part, part]), _steps(second[:, part, part])
        roots, other_roots = (np.copysign(np.sqrt(np.abs(s)), s) for s in (steps, other_steps))
        of_roots = _correlation(roots, other_roots)
        smallest = np.minimum(smallest, np.minimum(of_roots, _correlation(steps, other_steps)))
    return (1 - smallest).round(6)


def largest_distance(areas: NDArray[np.int64]) -> NDArray[np.float64]:
    """The distance up to which two pictures are one: `MAX_DISTANCE`, less in proportion below `FULL_AREA`.

    >>> largest_distance(np.array([224 * 224, 32 * 32, 16 * 16]))
    array([0.2 , 0.2 , 0.05])

    Args:
        areas: Pixels of the larger picture of each pair, shape ``(K,)``.
    """
    return MAX_DISTANCE * np.minimum(1.0, areas / FULL_AREA)


def _steps(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Differences between neighbours to the right and below, a row per picture."""
    pixels = thumbnails.astype(np.float32)
    across, down = np.diff(pixels, axis=2), np.diff(pixels, axis=1)
    return np.concatenate([across.reshape(len(pixels), -1), down.reshape(len(pixels), -1)], axis=1)


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of each pair of rows; 0 where one of them is all zero."""
    products = np.einsum("kd,kd->k", first, second).astype(np.float64)
    lengths = np.sqrt(np.square(first).sum(axis=1) * np.square(second).sum(axis=1), dtype=np.float64)
    correlation: NDArray[np.float64] = products / np.where(lengths > 0, lengths, 1)
    return correlation
