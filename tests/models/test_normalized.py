from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.transforms import v2

from semdd_lightning.errors import NetworkError
from semdd_lightning.models import (
    CIFAR_MEAN,
    CIFAR_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    ConvNet,
    NormalizedNetwork,
)


@pytest.mark.parametrize("shape", [(32, 32), (48, 48), (20, 45), (16, 32)])
@pytest.mark.parametrize(("mean", "std"), [(IMAGENET_MEAN, IMAGENET_STD), (CIFAR_MEAN, CIFAR_STD)])
def test_equals_torchvision(
    shape: tuple[int, int], mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    images = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    expected = v2.Compose([v2.Resize([32, 32], antialias=True), v2.Normalize(mean, std)])(images)
    torch.testing.assert_close(NormalizedNetwork(nn.Identity(), 32, mean, std)(images), expected)


def test_state_holds_the_network_only() -> None:
    network = NormalizedNetwork(ConvNet(2, 8, depth=1, width=4), 8)
    assert all(key.startswith("network.") for key in network.state_dict())
    assert network.double().mean.dtype == torch.float64


def test_refuses_what_is_no_batch_of_images() -> None:
    network = NormalizedNetwork(nn.Identity(), 8)
    with pytest.raises(NetworkError, match=r"floating-point images .* found torch.uint8"):
        network(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(NetworkError, match=r"found torch.float32 of shape \(3, 8, 8\)"):
        network(torch.zeros(3, 8, 8))


def test_constants_out_of_range() -> None:
    with pytest.raises(NetworkError, match="3 positive deviations"):
        NormalizedNetwork(nn.Identity(), 8, std=(0.0, 1.0, 1.0))
    with pytest.raises(NetworkError, match="image_size to be at least 1, found 0"):
        NormalizedNetwork(nn.Identity(), 0)
