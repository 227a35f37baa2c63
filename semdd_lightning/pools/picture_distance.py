"""Whether two thumbnails show the same picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """The picture squeezed to 16 x 16 pixels, shape ``(16, 16, 3)``.

    Args:
        image: An RGB image of any size and shape.
    """
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
        of_roots = _correlation(_signed_roots(steps), _signed_roots(other_steps))
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
    """Differences between neighbours to the right and below, a row a picture."""
    pixels = thumbnails.astype(np.float32)
    across, down = np.diff(pixels, axis=2), np.diff(pixels, axis=1)
    return np.concatenate([across.reshape(len(pixels), -1), down.reshape(len(pixels), -1)], axis=1)


def _signed_roots(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.copysign(np.sqrt(np.abs(values)), values)


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of each pair of rows; 0 where one of them is all zero."""
    products = np.einsum("kd,kd->k", first, second).astype(np.float64)
    lengths = np.sqrt(np.square(first).sum(axis=1) * np.square(second).sum(axis=1), dtype=np.float64)
    correlation: NDArray[np.float64] = products / np.where(lengths > 0, lengths, 1)
    return correlation
