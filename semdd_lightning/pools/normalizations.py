"""Pixel normalisations of distillation methods: what a file's name says of them, and how they are undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.datasets import DATASETS

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
        """How many values lie beyond black or white by more than half a grey level.

        >>> Denormalization((0.5,), (0.5,)).count_outside(np.array([[[-1.0, 1.001, 1.1]]]))
        1

        Args:
            values: Finite, shape ``(..., C, H, W)``.
        """
        unit = self._to_unit(values)
        return int(((unit < -0.5 / 255) | (unit > 1 + 0.5 / 255)).sum())

    def _to_unit(self, values: NDArray[Any]) -> NDArray[np.float64]:
        mean, std = (np.reshape(numbers, (-1, 1, 1)) for numbers in (self.mean, self.std))
        unit: NDArray[np.float64] = values.astype(np.float64) * std + mean
        return unit


UNIT = Denormalization((0.0,), (1.0,))
BYTES = Denormalization((0.0,), (1 / 255,))


def _of_data_set(name: str) -> Denormalization:
    statistics = DATASETS[name].normalization
    return Denormalization(statistics.mean, statistics.std)


# What undoes the normalisation of each name. DC, DSA, DM, MTT and DATM take CIFAR-10's numbers for CIFAR-100
# and ImageNet's for Tiny-ImageNet (`get_dataset` in their utils); IDC and DC-bench have CIFAR-100's own.
NORMALIZATIONS = {
    "none": UNIT,
    "symmetric": Denormalization((0.5,), (0.5,)),
    "cifar10": _of_data_set("cifar10"),
    "cifar100": _of_data_set("cifar100"),
    "imagenet": _of_data_set("imagenet1k"),
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
        outside: Share of the values outside [0, 1].
        spread: Standard deviation of the images' mean values.
        num_images: How many images were looked at.
    """

    low: float
    high: float
    outside: float
    spread: float
    num_images: int


def value_statistics(images: NDArray[Any]) -> ValueStatistics:
    """Look at every value once, block by block.

    >>> value_statistics(np.array([[[[0.0, 2.0]]], [[[np.nan, 9.0]]]]))
    ValueStatistics(low=0.0, high=2.0, outside=0.5, spread=0.0, num_images=1)

    Args:
        images: Shape ``(N, C, H, W)``.
    """
    blocks = [
        (block.min(), block.max(), UNIT.count_outside(block), block.mean(axis=(1, 2, 3), dtype=np.float64))
        for block in _finite_blocks(images)
    ]
    if not blocks:
        return ValueStatistics(0.0, 0.0, 0.0, 0.0, 0)
    lows, highs, outside, means = zip(*blocks, strict=True)
    of_images = np.concatenate(means)
    share = sum(outside) / (len(of_images) * images[0].size)
    return ValueStatistics(float(min(lows)), float(max(highs)), share, float(of_images.std()), len(of_images))


def share_outside(images: NDArray[Any], normalization: Denormalization) -> float:
    """Share of the values that are no pixels once the normalisation is undone.

    Args:
        images: Shape ``(N, C, H, W)``; those with NaN or infinity are left out.
        normalization: What to undo.
    """
    counts = [(normalization.count_outside(block), block.size) for block in _finite_blocks(images)]
    return sum(outside for outside, _ in counts) / max(sum(size for _, size in counts), 1)


def _finite_blocks(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The images without NaN or infinity, some at a time, so that a mapped file is never in memory whole."""
    at_once = max(1, _BLOCK // max(images[:1].size, 1))
    for start in range(0, len(images), at_once):
        block = images[start : start + at_once]
        usable = block[np.isfinite(block).all(axis=(1, 2, 3))]
        if len(usable):
            yield usable


_NAME = re.compile(r"res_[^_]+_([^_]+)_.+_\d+ipc\.pt", re.IGNORECASE)

# For each data set of these methods what their code normalises it by (`get_dataset` in DC's utils), and our
# name of it, which has its classes in the order of its labels.
_DATA_SETS: dict[str, tuple[NormalizationName, str | None]] = {
    "mnist": ("mnist", None),
    "fashionmnist": ("fashion_mnist", None),
    "svhn": ("svhn", None),
    "cifar10": ("cifar10", "cifar10"),
    "cifar100": ("cifar10", "cifar100"),
    "tinyimagenet": ("imagenet", "tiny_imagenet"),
}


@dataclass(frozen=True)
class ResultName:
    """The data set that a file's name states.

    Args:
        normalization: What its pixels were normalised by.
        data_set: Our name of it, if we have it.
    """

    normalization: NormalizationName
    data_set: str | None

    @classmethod
    def of(cls, name: str) -> ResultName | None:
        """What a file's name says, or none.

        >>> ResultName.of("res_DC_CIFAR100_ConvNet_10ipc.pt")
        ResultName(normalization='cifar10', data_set='cifar100')
        """
        match = _NAME.fullmatch(name)
        found = _DATA_SETS.get(match[1].lower()) if match else None
        return None if found is None else cls(*found)

    def classes(self, num_classes: int) -> ClassRegistry | None:
        """The classes of the data set, if the file holds as many; their order is that of its labels.

        Args:
            num_classes: How many the file holds.
        """
        if self.data_set is None or DATASETS[self.data_set].num_classes != num_classes:
            return None
        return DATASETS[self.data_set].registry.without_folders()
