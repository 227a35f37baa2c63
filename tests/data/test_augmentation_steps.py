from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.data import Augmentation
from semdd_lightning.data.augmentation import augment, draw_images
from semdd_lightning.data.augmentation_steps import jitter_colours, light

MINIMAX = Augmentation(color_jitter=(0.4, 0.4, 0.4), lighting=0.1, horizontal_flip=0)


def _images(count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    values = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return low + (high - low) * values


def _minimax_step(image: Tensor, kind: int, alpha: float) -> Tensor:
    """One step of ColorJitter as published, pixel by pixel: lerp towards what the step blends with."""
    grey = torch.empty_like(image)
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            red, green, blue = image[:, row, column].tolist()
            grey[:, row, column] = 0.299 * red + 0.587 * green + 0.114 * blue
    if kind == 0:
        grey = torch.zeros_like(image)
    if kind == 1:
        grey = torch.full_like(image, float(grey.mean()))
    return image.lerp(grey, alpha)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_jitter_is_the_peers_step_by_step_in_any_order(order: tuple[int, ...]) -> None:
    (image,) = _images(1)
    factors = [1.4, 0.6, 1.3]
    expected = image
    for kind in order:
        expected = _minimax_step(expected, kind, 1 - factors[kind])
    found = jitter_colours(image[None], torch.tensor([factors]), torch.tensor([order]))
    torch.testing.assert_close(found[0], expected, atol=1e-6, rtol=0)
    assert found.max() > 1, "nothing is clamped"


def test_jitter_is_torchvisions_where_it_does_not_clamp() -> None:
    images = _images(30, 0.4, 0.6)
    policy = Augmentation(color_jitter=(0.1, 0.1, 0.1))
    draws = draw_images(policy, 30, 8, np.random.default_rng(0))
    operators = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation)
    found = jitter_colours(images, draws.factors, draws.factor_order)
    for i, expected in enumerate(images):
        for kind in draws.factor_order[i].tolist():
            expected = operators[kind](expected, float(draws.factors[i, kind]))
        torch.testing.assert_close(found[i], expected, atol=1e-4, rtol=0)  # its grey has 0.2989 for red


def test_factors_of_one_change_nothing() -> None:
    images = _images(2)
    order = torch.tensor([[2, 0, 1]] * 2)
    torch.testing.assert_close(jitter_colours(images, torch.ones(2, 3), order), images)


def test_each_image_has_its_own_factors() -> None:
    images = _images(1).expand(2, -1, -1, -1)
    factors, order = torch.tensor([[1.2, 1, 1], [1, 1, 1]]), torch.tensor([[0, 1, 2]] * 2)
    bright, same = jitter_colours(images, factors, order)
    torch.testing.assert_close(bright, images[0] * 1.2)
    torch.testing.assert_close(same, images[1])


def test_light_is_the_peers_sum_over_components() -> None:
    images, shares = _images(4), torch.randn(4, 3, generator=torch.Generator().manual_seed(1)) * 0.1
    values = [0.2175, 0.0188, 0.0045]
    vectors = [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    found = light(images, shares)
    for i in range(4):
        for channel in range(3):
            added = sum(vectors[channel][k] * shares[i, k].item() * values[k] for k in range(3))
            torch.testing.assert_close(found[i, channel], images[i, channel] + added, atol=1e-6, rtol=0)


def test_draws_have_the_peers_distributions() -> None:
    draws = draw_images(MINIMAX, 6000, 8, np.random.default_rng(3))
    for kind in range(3):
        assert kstest(draws.factors[:, kind].numpy(), "uniform", args=(0.6, 0.8)).pvalue > 1e-3
        assert kstest(draws.shares[:, kind].numpy(), "norm", args=(0, 0.1)).pvalue > 1e-3
    found, counts = np.unique(draws.factor_order.numpy(), axis=0, return_counts=True)
    assert len(found) == 6
    assert chisquare(counts).pvalue > 1e-3


def test_augmentation_jitters_then_lights() -> None:
    images, draws = _images(5), draw_images(MINIMAX, 5, 8, np.random.default_rng(0))
    expected = light(jitter_colours(images, draws.factors, draws.factor_order), draws.shares)
    assert torch.equal(augment(images, draws, MINIMAX), expected)
    half = augment(images.double(), draws, MINIMAX)
    assert half.dtype == torch.float64
