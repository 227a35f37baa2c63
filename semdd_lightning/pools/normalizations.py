"""Pixel normalisations of distillation methods: which one values went through, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.datasets import DATASETS
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger, warn

NormalizationName = Literal[
    "auto", "none", "symmetric", "cifar10", "cifar100", "imagenet", "svhn", "mnist", "fashion_mnist"
]

_BLOCK = 2_097_152  # values looked at at once


@dataclass(frozen=True)
class Denormalization:
    """Undoes a normalisation: value * std + mean is a pixel in [0, 1].

    Args:
        mean: Of each channel, or one for all.
        std: Of each channel, or one for all.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def to_pixels(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """8-bit pixels of images; values beyond black and white are clipped.

        >>> Denormalization((0.5,), (0.5,)).to_pixels(np.array([[[-1.0, 0.0, 2.0]]]))
        array([[[  0, 128, 255]]], dtype=uint8)

        Args:
            values: Finite, shape ``(..., C, H, W)``.
        """
        return np.rint(np.clip(self._to_unit(values), 0, 1) * 255).astype(np.uint8)

    def count_outside(self, values: NDArray[Any]) -> int:
        """How many values, as `to_pixels` takes them, lie beyond black or white by over half a grey level.

        >>> Denormalization((0.5,), (0.5,)).count_outside(np.array([[[-1.0, 1.001, 1.1]]]))
        1
        """
        unit = self._to_unit(values)
        return int(((unit < -0.5 / 255) | (unit > 1 + 0.5 / 255)).sum())

    def _to_unit(self, values: NDArray[Any]) -> NDArray[np.float64]:
        mean, std = (np.reshape(numbers, (-1, 1, 1)) for numbers in (self.mean, self.std))
        unit: NDArray[np.float64] = values.astype(np.float64) * std + mean
        return unit


UNIT = Denormalization((0.0,), (1.0,))
BYTES = Denormalization((0.0,), (1 / 255,))

_OF = {
    name: Denormalization(spec.normalization.mean, spec.normalization.std) for name, spec in DATASETS.items()
}

# What undoes the normalisation of each name. DC, DSA, DM, MTT and DATM take CIFAR-10's numbers for CIFAR-100
# and ImageNet's for Tiny-ImageNet (`get_dataset` in their utils); IDC and DC-bench have CIFAR-100's own.
NORMALIZATIONS = {
    "none": UNIT,
    "symmetric": Denormalization((0.5,), (0.5,)),
    "cifar10": _OF["cifar10"],
    "cifar100": _OF["cifar100"],
    "imagenet": _OF["imagenet1k"],
    "svhn": Denormalization((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "mnist": Denormalization((0.1307,), (0.3081,)),
    "fashion_mnist": Denormalization((0.2861,), (0.3530,)),
}


@dataclass(frozen=True)
class ValueStatistics:
    """What the values of a file look like, images with NaN or infinity left out.

    Args:
        low: The lowest value.
        high: The highest value.
        outside: Share of the values that are no pixels in [0, 1].
        spread: Standard deviation of the images' mean values.
        num_images: How many images were looked at.
    """

    low: float
    high: float
    outside: float
    spread: float
    num_images: int


def value_statistics(images: NDArray[Any], normalization: Denormalization = UNIT) -> ValueStatistics:
    """Look at every value once, block by block.

    >>> value_statistics(np.array([[[[0.0, 2.0]]], [[[np.nan, 9.0]]]]))
    ValueStatistics(low=0.0, high=2.0, outside=0.5, spread=0.0, num_images=1)

    Args:
        images: Shape ``(N, C, H, W)``.
        normalization: What to undo before values count as outside.
    """
    found = [
        (b.min(), b.max(), normalization.count_outside(b), b.mean(axis=(1, 2, 3), dtype=np.float64))
        for b in _finite_blocks(images)
    ]
    if not found:
        return ValueStatistics(0.0, 0.0, 0.0, 0.0, 0)
    lows, highs, outside, means = zip(*found, strict=True)
    of_images = np.concatenate(means)
    share = sum(outside) / (len(of_images) * images[0].size)
    return ValueStatistics(float(min(lows)), float(max(highs)), share, float(of_images.std()), len(of_images))


def _finite_blocks(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The images without NaN or infinity, some at a time, so that a mapped file is never in memory whole."""
    at_once = max(1, _BLOCK // max(images[:1].size, 1))
    for start in range(0, len(images), at_once):
        block = images[start : start + at_once]
        usable = block[np.isfinite(block).all(axis=(1, 2, 3))]
        if len(usable):
            yield usable


_log = get_logger(__name__)

_FEW_OUTSIDE = 0.05  # share of values outside [0, 1] that pixels may have after an inverse whitening
_MANY_OUTSIDE = 0.1  # share to be clipped that is worth a warning
_MOST_OUTSIDE = 0.5  # share from which on this cannot be the normalisation
_EVEN_BRIGHTNESS = 0.03  # deviation of image means; CIFAR-10 has 0.14, its ZCA-whitened images 0.004
_FEW_IMAGES = 10  # fewer say nothing about brightness

# Data sets whose tensors are normalised in one way by all methods; CIFAR-100's are in two.
_OF_DATA_SET = {"cifar10": "cifar10"} | {
    name: "imagenet" for name, undo in _OF.items() if undo == NORMALIZATIONS["imagenet"]
}


def settle_normalization(
    images: NDArray[Any],
    asked: NormalizationName | Denormalization,
    data_set: str | None,
    place: str,
    named: NormalizationName | None = None,
) -> Denormalization:
    """Settle which normalisation to undo, and refuse to guess where nothing tells.

    Whole numbers from 0 to 255 are bytes, and so are floats from 0 to above 16. Floats in [0, 1] are pixels,
    also where up to 5 % of them lie somewhat outside, as after an inverse whitening. Everything else was
    normalised, and values look alike under any mean and deviation: it takes the name of the data set to know.

    Args:
        images: Shape ``(N, C, H, W)``.
        asked: A name, of which `auto` judges by the values and then the data set, or what to undo.
        data_set: Name of the data set that the class list is of, if known.
        place: The file, for messages.
        named: What the file's name says, if anything; the methods that name theirs so do not whiten.

    Raises:
        PoolError: If the values are no pixels, or their normalisation is not known.
    """
    if images.dtype == np.uint8 and asked in ("auto", "none"):
        return BYTES
    found = value_statistics(images)
    if not np.issubdtype(images.dtype, np.floating):
        if found.low < 0 or found.high > 255 or asked not in ("auto", "none"):
            msg = (
                f"Expected whole numbers from 0 to 255 that are not normalised as pixels in {place}, found "
                f"{found.low:g} to {found.high:g} and normalization {asked}; store 8-bit images or floats."
            )
            raise PoolError(msg)
        return BYTES
    if isinstance(asked, Denormalization):
        name, normalization = "the given mean and std", asked
    else:
        name = _judge(found, data_set, named, place) if asked == "auto" else asked
        normalization = BYTES if name == "bytes" else NORMALIZATIONS[name]
    _require_pixels(images, normalization, name, found, place)
    if normalization not in (UNIT, BYTES) and not (named is not None and asked == "auto"):
        _look_for_whitening(normalization, found, place, guessed=asked == "auto")
    return normalization


def _judge(found: ValueStatistics, data_set: str | None, named: NormalizationName | None, place: str) -> str:
    if found.low >= -0.5 and found.high <= 1.5 and found.outside <= _FEW_OUTSIDE:
        return "none"
    if found.low >= 0 and 16 < found.high <= 255:
        return "bytes"
    if named is not None:
        return named
    if data_set in _OF_DATA_SET:
        return _OF_DATA_SET[data_set]
    msg = (
        f"Expected pixels from 0 to 1 or 0 to 255 in {place}, found {found.low:.3g} to {found.high:.3g}: "
        "values normalised by a mean and a deviation that the file does not tell. Give the data set as class "
        "list (--classes cifar10), or normalization (--reader normalization=NAME, out of "
        f"{', '.join(NORMALIZATIONS)}), or mean and std; the code that wrote the file has them."
    )
    raise PoolError(msg)


def _require_pixels(
    images: NDArray[Any], normalization: Denormalization, name: str, found: ValueStatistics, place: str
) -> None:
    numbers = max(len(normalization.mean), len(normalization.std))
    if numbers not in (1, images.shape[1]):
        msg = (
            f"Expected a mean and std for each of the {images.shape[1]} channels of {place}, found {numbers} "
            f"({name}); give as many."
        )
        raise PoolError(msg)
    share = value_statistics(images, normalization).outside
    said = f"{found.low:.3g} to {found.high:.3g} in {place}, {share:.1%} of them no pixels under {name}"
    if share > _MOST_OUTSIDE:
        msg = (
            f"Expected values that become pixels from 0 to 1, found {said}: another normalisation, or "
            "ZCA-whitened images, which cannot be turned back from the file. Give the right normalization "
            "(--reader normalization=NAME), or the file with the images as they were before whitening."
        )
        raise PoolError(msg)
    _log.info("Values from %s (mean %s, std %s).", said, normalization.mean, normalization.std)
    if share > _MANY_OUTSIDE:
        warn(
            f"Expected values that become pixels from 0 to 1, found {said}: they are clipped. Check "
            "normalization, and look at the images.",
            stacklevel=4,
        )


def _look_for_whitening(
    normalization: Denormalization, found: ValueStatistics, place: str, *, guessed: bool
) -> None:
    """Refuse a guess, and warn of a statement, where the images look ZCA-whitened.

    Most whitened values would pass for pixels. What gives them away is that all images are equally bright;
    those of noise are, too.
    """
    spread = found.spread * float(np.mean(normalization.std))
    if found.num_images < _FEW_IMAGES or spread >= _EVEN_BRIGHTNESS:
        return
    msg = (
        f"Expected images that differ in brightness in {place}, found a standard deviation of {spread:.3f} "
        "(pixels from 0 to 1), as ZCA-whitened images and noise have. Whitening cannot be turned back from "
        "the file: if this run whitened, read the file with the images before it (MTT and DATM write "
        "images_zca_*.pt); if not, give normalization (--reader normalization=NAME)."
    )
    if guessed:
        raise PoolError(msg)
    warn(msg, stacklevel=4)
