"""The students of the papers have as many parameters as published, and give one logit per class."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models import ResNetModified, build_network


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _meta(name: str, num_classes: int, image_size: int) -> nn.Module:
    """A network without memory for its weights, which only its shapes need."""
    with torch.device("meta"):
        return build_network(name, num_classes, image_size)


STUDENTS = ["resnet18", "resnet50", "resnet101", "mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x0_5"]


@pytest.mark.parametrize("name", [*STUDENTS, "swin_v2_t", "vit_b_16", "vgg11", "alexnet"])
def test_torchvisions_students(name: str) -> None:
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    network = _meta(f"torchvision/{name}", 1000, 224)
    assert _count(network) == published
    assert network(torch.zeros(2, 3, 224, 224, device="meta")).shape == (2, 1000)


def test_deit_is_timms() -> None:
    assert _count(_meta("timm/deit_tiny_patch16_224", 1000, 224)) == 5_717_416  # Touvron et al. 2021: 5.7 M


@pytest.mark.parametrize(("depth", "published"), [(18, 11_173_962), (50, 23_520_842), (101, 42_512_970)])
def test_resnets_with_the_cifar_stem(depth: int, published: int) -> None:
    network = _meta(f"resnet{depth}_modified", 10, 32)
    assert _count(network) == published
    assert network(torch.zeros(2, 3, 32, 32, device="meta")).shape == (2, 10)
    own = _count(getattr(torchvision.models, f"resnet{depth}")(num_classes=10))
    assert own - published == 64 * 3 * (7 * 7 - 3 * 3), "the stems differ in their first convolution alone"


@pytest.mark.parametrize("norm", ["", "_instance"])
@pytest.mark.parametrize(("depth", "size"), [(3, 32), (4, 64), (5, 128), (6, 128), (6, 224)])
def test_convnets_by_hand(depth: int, size: int, norm: str) -> None:
    expected = 3 * 9 * 128 + 128 + (depth - 1) * (128 * 9 * 128 + 128) + depth * 2 * 128
    expected += 128 * (size // 2**depth) ** 2 * 10 + 10
    network = _meta(f"conv{depth}{norm}", 10, size)
    assert _count(network) == expected
    kinds = {type(layer) for layer in network.modules()}
    assert (nn.BatchNorm2d in kinds) == (norm == "")


@pytest.mark.parametrize(("size", "kernel"), [(32, 3), (64, 3), (65, 3), (128, 3), (129, 7), (224, 7)])
def test_resnetap10s_stem_follows_the_size(size: int, kernel: int) -> None:
    blocks = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    expected = 3 * kernel**2 * 64 + 2 * 64 + 512 * 10 + 10
    for entering, leaving, pool in blocks:
        expected += 9 * entering * leaving + 9 * leaving**2 + 2 * 2 * leaving
        expected += entering * leaving + 2 * leaving if pool > 1 else 0
    network = _meta("resnetap10", 10, size)
    assert _count(network) == expected
    assert network(torch.zeros(2, 3, size, size, device="meta")).shape == (2, 10)
    with torch.device("meta"):
        stem = network.layer0(torch.zeros(1, 3, size, size))  # type: ignore[operator]
    assert stem.shape[-1] == (size if size <= 64 else size // 2 if size <= 128 else size // 4)


def test_minimaxs_resnet18_has_torchvisions_stem_and_instance_norm() -> None:
    network = _meta("resnet18_instance", 10, 224)
    assert _count(network) == _count(torchvision.models.resnet18(num_classes=10))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    norms = [layer for layer in network.modules() if isinstance(layer, nn.GroupNorm)]
    assert len(norms) == 20
    assert all(norm.num_groups == norm.num_channels for norm in norms)


def test_unknown_depth() -> None:
    with pytest.raises(NetworkError, match="Expected a depth of 18, 34, 50, 101, found 20"):
        ResNetModified(10, 32, depth=20)  # type: ignore[arg-type]
