"""Crops, scores and mosaics against torchvision and a literal loop after RDED's description."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.generation.crops import (
    cross_entropies,
    draw_boxes,
    on_ground,
    resize_crops,
    stitch,
)


@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, 32), (40, 23, 16), (17, 50, 21), (9, 9, 32)])
def test_a_crop_is_torchvisions_on_the_same_draw(height: int, width: int, size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, height, width, generator=generator)
    torch.manual_seed(1)
    boxes = torch.tensor(
        [[RandomResizedCrop.get_params(image, [0.08, 1.0], [1.0, 1.0]) for _ in range(5)] for image in images]
    )
    found = resize_crops(images, boxes, size)
    for i, image in enumerate(images):
        for j, (top, left, h, w) in enumerate(boxes[i].tolist()):
            expected = TF.resized_crop(image, top, left, h, w, [size, size], antialias=True)
            torch.testing.assert_close(found[i, j], expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 50)])
def test_boxes_are_drawn_as_torchvision_draws_them(height: int, width: int) -> None:
    ours = draw_boxes(height, width, 4000, np.random.default_rng(0))
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    theirs = np.array(
        [RandomResizedCrop.get_params(image, [0.08, 1.0], [1.0, 1.0]) for _ in range(4000)], dtype=np.int64
    )
    assert (ours[:, 2] == ours[:, 3]).all()
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, 0] + ours[:, 2] <= height).all()
    assert (ours[:, 1] + ours[:, 3] <= width).all()
    for column in range(3):
        shares = [0.1, 0.25, 0.5, 0.75, 0.9]
        found, expected = (np.quantile(boxes[:, column], shares) for boxes in (ours, theirs))
        np.testing.assert_allclose(found, expected, atol=1.1)


def test_a_score_is_the_cross_entropy() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    expected = [-float(torch.log(torch.softmax(row, dim=0)[2])) for row in logits]
    torch.testing.assert_close(cross_entropies(logits, 2), torch.tensor(expected))


def test_the_ground_is_zero_once_normalised() -> None:
    mean, std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    crops = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    normalised = (on_ground(crops, 12, mean) - mean) / std
    torch.testing.assert_close(normalised, F.pad((crops - mean) / std, (3, 4, 3, 4)), atol=1e-6, rtol=0)
    assert on_ground(crops, 5, mean) is crops


@pytest.mark.parametrize(("size", "factor"), [(8, 2), (9, 2), (11, 3), (7, 1)])
def test_a_mosaic_takes_every_nth_crop(size: int, factor: int) -> None:
    count, side = 3, size // factor
    patches = torch.rand(count * factor**2, 3, side, side, generator=torch.Generator().manual_seed(0))
    found = stitch(patches, size, factor)
    assert found.shape == (count, 3, size, size)
    sides = [side + (place < size % factor) for place in range(factor)]
    for i in range(count):
        for row in range(factor):
            for column in range(factor):
                patch = patches[(row * factor + column) * count + i]
                top, left = sum(sides[:row]), sum(sides[:column])
                place = found[i, :, top : top + sides[row], left : left + sides[column]]
                expected = F.interpolate(patch[None], size=(sides[row], sides[column]))[0]
                assert torch.equal(place, expected)
