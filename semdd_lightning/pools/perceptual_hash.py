"""64 bits that say what a picture shows, and hardly change when it is encoded, resized or brightened."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
