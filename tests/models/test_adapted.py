from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.transforms import v2

from semdd_lightning.errors import NetworkError
from semdd_lightning.models import (
    CIFAR_MEAN,
    CIFAR_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    ConvNet,
    NormalizedNetwork,
    build_network,
    cut_head,
)


@pytest.mark.parametrize(
    ("name", "image_size"),
    [
        ("conv3", 32),  # classifier
        ("resnetap10", 16),  # fc
        ("shufflenet_v2_x0_5", 32),  # fc
        ("mobilenet_v3_small", 32),  # classifier[-1]
        ("timm/test_resnet", 32),  # get_classifier
        ("timm/test_vit", 32),
        ("timm/test_convnext", 32),
    ],
)
def test_kept_logits_are_those_of_the_network(name: str, image_size: int) -> None:
    check_kept_logits(build_network(name, 12, image_size), image_size)


def test_kept_logits_of_small_relatives_of_torchvisions_networks() -> None:
    transformer = models.VisionTransformer(32, 16, 1, 2, hidden_dim=8, mlp_dim=8, num_classes=12)
    nn.init.normal_(transformer.heads.head.weight)  # starts at zero
    check_kept_logits(transformer, 32)
    check_kept_logits(models.SwinTransformer([4, 4], 8, [1, 1], [1, 2], [2, 2], num_classes=12), 32)
    check_kept_logits(models.DenseNet(4, (1, 1), 8, num_classes=12), 32)


def check_kept_logits(network: nn.Module, image_size: int) -> None:
    network.eval()
    kept = [7, 0, 11]
    cut = cut_head(network, kept)
    images = torch.rand(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(cut(images), network(images)[:, kept])
    with pytest.raises(NetworkError, match=r"class indices in \[0, 3\), found 3"):
        cut_head(cut, [3])


def test_cuts_behind_the_normalisation_and_keeps_frozen_weights_frozen() -> None:
    network = NormalizedNetwork(build_network("conv3", 4, 8), 8).eval().requires_grad_(False)
    cut = cut_head(network, range(2))
    assert not cut.training
    assert not any(parameter.requires_grad for parameter in cut.parameters())
    assert cut(torch.zeros(1, 3, 8, 8)).shape == (1, 2)


def test_indices_that_do_not_fit() -> None:
    network = build_network("conv3", 4, 8)
    with pytest.raises(NetworkError, match=r"class indices in \[0, 4\), found 4"):
        cut_head(network, [0, 4])
    with pytest.raises(NetworkError, match=r"class indices in \[0, 4\), found -1"):
        cut_head(network, [-1])
    with pytest.raises(NetworkError, match="distinct class indices, found 2 twice"):
        cut_head(network, [2, 1, 2])
    with pytest.raises(NetworkError, match="at least one of 4 classes to keep, found none"):
        cut_head(network, [])


@pytest.mark.parametrize("network", [nn.Conv2d(3, 4, 1), nn.Sequential(nn.Flatten(), nn.Linear(3, 4))])
def test_unknown_heads(network: nn.Module) -> None:
    with pytest.raises(NetworkError, match=r"classifier with a linear last layer .* found"):
        cut_head(network, [0])


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
