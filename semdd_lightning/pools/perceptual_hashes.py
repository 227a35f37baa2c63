"""64 bits that say what a picture shows, and how the close ones among millions of them are found.

Close pairs are found by multi-index hashing: two hashes that differ in at most 7 bits differ in at most one
bit of one of their four 16-bit words, so it is enough to look up every word and its 16 neighbours
(M. Norouzi, A. Punjani and D. J. Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLOSE = 7
"""Bits that close hashes differ in at most: what the look-up of four words with one wrong bit each finds."""

_WORDS = 4
_WORD_BITS = 16
_BLOCK = 1 << 19  # comparisons at a time: what stays in a processor's cache

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


_SIDE = 32  # pixels of the thumbnail
_NOTHING = 1e-3  # grey levels; rounding is far below, so that a coefficient of zero is zero on every machine


def perceptual_hash(image: Image.Image) -> int:
    """Signs of the 64 lowest frequencies of a picture, of its discrete cosine transform in grey.

    The picture is squeezed to 32 x 32 pixels, and the mean is left out: brightness does not count. Two
    pictures differ in about 32 bits, near duplicates in few, a picture and its mirror image in those of
    `MIRRORED`, give or take a bit or two where a coefficient is next to nothing. The idea is that of pHash
    (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).

    >>> picture = Image.effect_mandelbrot((90, 60), (-1.2, -0.2, 0.3, 0.9), 30)
    >>> (perceptual_hash(picture) ^ perceptual_hash(picture.resize((45, 30)))).bit_count() < 8
    True
    >>> mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    >>> perceptual_hash(mirrored) == perceptual_hash(picture) ^ MIRRORED
    True

    Args:
        image: An 8-bit image.
    """
    # PIL's box filter gives mirror images other values where the sizes are no multiples.
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    thumbnail = np.asarray(grey, dtype=np.float64)
    coefficients = (_WAVES @ thumbnail @ _WAVES.T)[_VERTICAL, _HORIZONTAL]  # (64,)
    return int.from_bytes(np.packbits(coefficients > _NOTHING).tobytes(), "big")


def _lowest_frequencies() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Vertical and horizontal frequency of each bit, shapes ``(64,)``."""
    vertical, horizontal = (grid.ravel() for grid in np.indices((_SIDE, _SIDE)))
    lowest = np.lexsort((vertical, vertical**2 + horizontal**2))[1:65]  # without the mean
    # Every quarter of the hash gets low and high frequencies, so that all tell pictures apart equally well.
    lowest = lowest.reshape(16, 4).T.ravel()
    return vertical[lowest], horizontal[lowest]


_VERTICAL, _HORIZONTAL = _lowest_frequencies()
_WAVES = np.cos(np.pi / _SIDE * np.outer(np.arange(_VERTICAL.max() + 1), np.arange(_SIDE) + 0.5)) / _SIDE

MIRRORED = int.from_bytes(np.packbits(_HORIZONTAL % 2 == 1).tobytes(), "big")
"""The bits that differ between a picture and its mirror image: the odd horizontal frequencies."""


def close_pairs(
    first: NDArray[np.uint64],
    second: NDArray[np.uint64] | None = None,
    *,
    flipped: int = 0,
    partners: int = 32,
) -> Pairs:
    """Find the pairs of hashes that differ in at most 7 bits.

    Memory grows with the number of hashes, never with its square: where more than `partners` hashes are
    close to one, only the first found are given for it.

    >>> hashes = np.array([0b1111, 0, 2**64 - 1, 0b11111], dtype=np.uint64)
    >>> [rows.tolist() for rows in close_pairs(hashes)]
    [[0, 0, 1], [1, 3, 3]]
    >>> [rows.tolist() for rows in close_pairs(hashes, flipped=2**64 - 1)]
    [[0, 1, 2], [2, 2, 3]]

    Args:
        first: Hashes, shape ``(N,)``.
        second: Hashes to find near those, shape ``(M,)`` (default: `first` itself, and each pair is
            given once, the smaller row first).
        flipped: Bits of `first` to flip before.
        partners: Pairs that are certain to be given for each hash, if it has so many; within one array,
            for the later hash of the pairs.

    Returns:
        Rows of `first` and rows of `second`, shapes ``(K,)``, in the order of the rows.
    """
    given_first = np.zeros(len(first), dtype=np.int64)
    given_second = given_first if second is None else np.zeros(len(second), dtype=np.int64)
    kept: list[Pairs] = []
    for rows, others in _block_pairs(first, second, np.array([flipped], dtype=np.uint64), partners):
        wanted = _count_on(given_second, others) < partners
        if second is not None:
            wanted |= _count_on(given_first, rows) < partners
        kept.append((rows[wanted], others[wanted]))
    rows, others = (np.concatenate([pairs[side] for pairs in kept]) for side in (0, 1))
    order = np.lexsort((others, rows))
    return rows[order], others[order]


def _block_pairs(
    first: NDArray[np.uint64], second: NDArray[np.uint64] | None, flip: NDArray[np.uint64], partners: int
) -> Iterator[Pairs]:
    """Close pairs, each once, block by block; not those in which both hashes have many equals before them."""
    targets = first if second is None else second
    surplus, target_surplus = _ranks(first) >= partners, _ranks(targets) >= partners
    yield np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for word in range(_WORDS):
        keys, target_keys = _word(first, word), _word(targets, word)
        # A cell is the hashes with one word; its surplus stands at its end.
        rows, target_rows = np.lexsort((surplus, keys)), np.lexsort((target_surplus, target_keys))
        keys, limited = keys[rows], surplus[rows]
        cells = np.arange(1 << _WORD_BITS)
        cell_starts = np.searchsorted(target_keys[target_rows], np.append(cells, len(cells)))
        cell_surplus = np.bincount(target_keys[target_surplus], minlength=len(cells))
        queries, sorted_targets = first[rows] ^ flip, targets[target_rows]
        for wrong_bit in (0, *(1 << bit for bit in range(_WORD_BITS))):
            change = int(_word(flip, word)[0]) ^ wrong_bit
            cell = keys ^ change
            starts, stops = cell_starts[cell], cell_starts[cell + 1] - limited * cell_surplus[cell]
            if second is None and change == 0:
                starts = np.arange(1, len(keys) + 1)  # each pair of a cell once
            elif second is None:
                stops = np.where(keys < cell, stops, starts)  # each pair of cells once
            for at, partner in _blocks(starts, np.maximum(starts, stops)):
                differing = queries[at] ^ sorted_targets[partner]
                close = np.flatnonzero(np.bitwise_count(differing) <= CLOSE)
                close = close[_is_first_word(differing[close], word)]
                found, others = rows[at[close]], target_rows[partner[close]]
                if second is None:
                    found, others = np.minimum(found, others), np.maximum(found, others)
                yield found, others


def _word(hashes: NDArray[np.uint64], word: int) -> NDArray[np.int64]:
    """One 16-bit word of each hash."""
    return hashes.view(np.uint16).reshape(-1, _WORDS)[:, word].astype(np.int64)


def _is_first_word(differing: NDArray[np.uint64], word: int) -> NDArray[np.bool_]:
    """Whether no earlier word would have found the pair as well."""
    is_first = np.ones(len(differing), dtype=np.bool_)
    for earlier in range(word):
        is_first &= np.bitwise_count(_word(differing, earlier)) > 1
    return is_first


def _blocks(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> Iterator[Pairs]:
    """Each position together with every number of its range, about `_BLOCK` pairs at a time."""
    ends = np.cumsum(stops - starts)
    begin = 0
    while begin < len(ends):
        done = int(ends[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(ends, done + _BLOCK, side="right")), begin + 1)
        counts = (stops - starts)[begin:end]
        at = np.repeat(np.arange(begin, end), counts)
        yield at, np.arange(len(at)) + np.repeat(starts[begin:end] - np.cumsum(counts) + counts, counts)
        begin = end


def _count_on(counts: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each row has come up before, here and in `counts`, which goes on counting."""
    ranks = counts[rows] + _ranks(rows)
    np.maximum.at(counts, rows, ranks + 1)
    return ranks


def _ranks(values: NDArray[np.int64] | NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many equal values stand before each value."""
    order = np.argsort(values, kind="stable")
    _, begins, counts = np.unique(values[order], return_index=True, return_counts=True)
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values)) - np.repeat(begins, counts)
    return ranks
