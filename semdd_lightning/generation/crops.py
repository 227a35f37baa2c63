"""RDED's crops, scores and mosaics (arXiv 2312.03526), batched on the device; written after its description.

Its code crops each image on its own on the CPU with torchvision's ``RandomResizedCrop``: square boxes of 8
to 100 % of the area, brought to ``size // factor`` pixels. It normalises them, sets them on a ground of zeros
where the factor is 2, and scores each by the teacher's cross entropy with the image's own class: the lowest
are the most realistic. Here a crop with its antialiased resize is a product with two small matrices, so that
all crops of images of one size are two batched products; numbers agree to the last bits of float32.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SCALE = (0.08, 1.0)
"""Smallest and largest share of the area that a crop takes: torchvision's defaults, which RDED keeps."""

_ATTEMPTS = 10  # torchvision's, before it takes the centre


def draw_boxes(height: int, width: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Square boxes (top, left, height, width) as ``RandomResizedCrop(ratio=(1, 1))`` draws them.

    Args:
        height: pixels of the image.
        width: pixels of the image.
        count: crops.
        generator: of the numbers.

    Returns:
        Boxes within the image, ``(count, 4)``.

    >>> draw_boxes(8, 8, 2, np.random.default_rng(0)).shape
    (2, 4)
    """
    area = height * width * generator.uniform(*SCALE, size=(count, _ATTEMPTS))
    sides = np.round(np.sqrt(area)).astype(np.int64)
    valid = (sides > 0) & (sides <= min(height, width))
    found = valid.any(axis=1)
    side = np.where(found, sides[np.arange(count), valid.argmax(axis=1)], min(height, width))
    uniform = generator.random((2, count))
    top = np.where(found, np.floor(uniform[0] * (height - side + 1)), (height - side) // 2)
    left = np.where(found, np.floor(uniform[1] * (width - side + 1)), (width - side) // 2)
    return np.stack([top, left, side, side], axis=1).astype(np.int64)


def resize_crops(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut boxes out of images and bring each to a square, as antialiased bilinear resizing does.

    Args:
        images: images in [0, 1], ``(B, 3, H, W)``.
        boxes: m boxes of each, (top, left, height, width), ``(B, m, 4)``.
        size: pixels per side.

    Returns:
        ``(B, m, 3, size, size)``.
    """
    top, left, height, width = boxes.double().unbind(dim=-1)
    rows = _weights(top, height, images.shape[2], size).to(images.dtype)  # (B, m, S, H)
    columns = _weights(left, width, images.shape[3], size).to(images.dtype)  # (B, m, S, W)
    crops = torch.matmul(rows[:, :, None], images[:, None])  # (B, m, 3, S, W)
    return torch.matmul(crops, columns[:, :, None].mT)


def on_ground(crops: Tensor, size: int, ground: Tensor) -> Tensor:
    """Crops in the middle of a ground of one colour: the teacher's mean, which normalises to zero.

    Args:
        crops: ``(N, 3, s, s)``.
        size: pixels per side of the whole, at least s.
        ground: the colour, ``(3, 1, 1)``.
    """
    margin = size - crops.shape[-1]
    if margin == 0:
        return crops
    before, after = margin // 2, margin - margin // 2
    return F.pad(crops - ground, (before, after, before, after)) + ground


def cross_entropies(logits: Tensor, label: int) -> Tensor:
    """The score of each crop: minus the log of the teacher's probability of its class; lower is better.

    Args:
        logits: of the crops, ``(N, C)``.
        label: their class.
    """
    return -F.log_softmax(logits.float(), dim=1)[:, label]


def stitch(patches: Tensor, size: int, factor: int) -> Tensor:
    """Mosaics of factor x factor crops: image i takes every n-th crop from the i-th on, row by row.

    What does not divide evenly is filled by repeating pixels, as RDED does.

    Args:
        patches: crops, the most realistic first, ``(n * factor**2, 3, size // factor, size // factor)``.
        size: pixels per side of an image.
        factor: crops per side.

    Returns:
        ``(n, 3, size, size)``.
    """
    if factor == 1:
        return patches
    count, side, more = len(patches) // factor**2, size // factor, size % factor
    sides = [side + (place < more) for place in range(factor)]
    grid = patches.reshape(factor, factor, count, *patches.shape[1:])
    rows = [
        torch.cat([F.interpolate(grid[i, j], size=(sides[i], sides[j])) for j in range(factor)], dim=3)
        for i in range(factor)
    ]
    return torch.cat(rows, dim=2)


def _weights(start: Tensor, extent: Tensor, length: int, size: int) -> Tensor:
    """Share of each of `length` pixels in each of `size` samples over each extent, (..., size, length)."""
    scale = (extent / size)[..., None, None]
    support = scale.clamp(min=1.0)
    steps = torch.arange(size, device=start.device, dtype=start.dtype)[:, None]
    pixels = torch.arange(length, device=start.device, dtype=start.dtype)
    position = pixels - start[..., None, None]  # in the box
    weights = (1 - ((position + 0.5 - (steps + 0.5) * scale) / support).abs()).clamp(min=0)
    weights = weights * ((position >= 0) & (position < extent[..., None, None]))
    return weights / weights.sum(dim=-1, keepdim=True)
