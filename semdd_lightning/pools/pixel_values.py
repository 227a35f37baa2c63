"""Which normalisation the values of a tensor file went through: what they tell, and where they must not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.datasets import DATASETS
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger, warn
from semdd_lightning.pools.normalizations import (
    BYTES,
    NORMALIZATIONS,
    UNIT,
    Denormalization,
    NormalizationName,
    ResultName,
    ValueStatistics,
    share_outside,
    value_statistics,
)

_log = get_logger(__name__)

_FEW_OUTSIDE = 0.05  # share of values outside [0, 1] that pixels may have after an inverse whitening
_MANY_OUTSIDE = 0.1  # share to be clipped that is worth a warning
_MOST_OUTSIDE = 0.5  # share from which on this cannot be the normalisation
_EVEN_BRIGHTNESS = 0.03  # deviation of image means; CIFAR-10 has 0.14, its ZCA-whitened images 0.004
_FEW_IMAGES = 10  # fewer say nothing about brightness

# Data sets whose tensors are normalised in one way by all methods; CIFAR-100's are in two.
_IMAGENET = DATASETS["imagenet1k"].normalization
_OF_DATA_SET = {"cifar10": "cifar10"} | {
    name: "imagenet" for name, spec in DATASETS.items() if spec.normalization.mean == _IMAGENET.mean
}


def settle_normalization(
    images: NDArray[Any],
    asked: NormalizationName | Denormalization,
    data_set: str | None,
    place: str,
    named: ResultName | None = None,
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
        named: What the file's name says of the data set, if anything; the methods that name theirs so do not
            whiten.

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
    _require_channels(images, normalization, name, place)
    _require_range(images, normalization, name, found, place)
    if normalization not in (UNIT, BYTES) and not (named is not None and asked == "auto"):
        _look_for_whitening(normalization, found, place, guessed=asked == "auto")
    return normalization


def _judge(found: ValueStatistics, data_set: str | None, named: ResultName | None, place: str) -> str:
    if found.low >= -0.5 and found.high <= 1.5 and found.outside <= _FEW_OUTSIDE:
        return "none"
    if found.low >= 0 and 16 < found.high <= 255:
        return "bytes"
    if named is not None:
        return named.normalization
    if data_set in _OF_DATA_SET:
        return _OF_DATA_SET[data_set]
    msg = (
        f"Expected pixels from 0 to 1 or 0 to 255 in {place}, found {found.low:.3g} to {found.high:.3g}: "
        "values normalised by a mean and a deviation that the file does not tell. Give the data set as class "
        "list (--classes cifar10), or normalization (--reader normalization=NAME, out of "
        f"{', '.join(NORMALIZATIONS)}), or mean and std; the code that wrote the file has them."
    )
    raise PoolError(msg)


def _require_channels(images: NDArray[Any], normalization: Denormalization, name: str, place: str) -> None:
    numbers = max(len(normalization.mean), len(normalization.std))
    if numbers not in (1, images.shape[1]):
        msg = (
            f"Expected a mean and std for each of the {images.shape[1]} channels of {place}, found {numbers} "
            f"({name}); give as many."
        )
        raise PoolError(msg)


def _require_range(
    images: NDArray[Any], normalization: Denormalization, name: str, found: ValueStatistics, place: str
) -> None:
    share = share_outside(images, normalization)
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
