"""Images and labels that tests save as tensors, and what a listing of them should hold."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.pools.listing import Listing

MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1)
STD = torch.tensor([0.2023, 0.1994, 0.2010]).view(3, 1, 1)
NAMES = ("zero", "one", "two", "three")


def random_pixels(num_images: int = 12, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Images (N, C, 6, 5) of very different brightness."""
    generator = np.random.default_rng(seed)
    brightness = generator.integers(0, 200, (num_images, 1, 1, 1))
    return (brightness + generator.integers(0, 56, (num_images, channels, 6, 5))).astype(np.uint8)


PIXELS = random_pixels()
LABELS = np.array([3, 0, 1, 2] * 3)
UNIT = torch.from_numpy(PIXELS).float() / 255
NORMALISED = (UNIT - MEAN) / STD
HARD = torch.from_numpy(LABELS)


def decoded(listing: Listing, row: int) -> NDArray[np.uint8]:
    """Pixels (C, H, W) of one row, decoded by PIL alone."""
    content = listing.source.read(row)
    assert content.startswith(b"\x89PNG")
    pixels = np.asarray(Image.open(BytesIO(content)))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def require(listing: Listing, pixels: NDArray[np.uint8], labels: NDArray[np.int64], stem: str) -> None:
    """A listing holds these images in these classes, each under the name of its class and row."""
    width = len(str(len(pixels) - 1))
    expected = {f"{c}/{stem}-{row:0{width}}.png": (c, row) for row, c in enumerate(labels.tolist())}
    assert list(listing.paths) == sorted(expected)
    for row, path in enumerate(listing.paths):
        assert listing.labels[row] == expected[path][0]
        assert np.array_equal(decoded(listing, row), pixels[expected[path][1]])
