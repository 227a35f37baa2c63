from __future__ import annotations

import re
from typing import Literal

import pytest
import torch
from torch import nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models import ConvNet
from semdd_lightning.models.norms import Norm


def reference(depth: int, width: int, side: int, num_classes: int, norm: Norm) -> nn.Sequential:
    """The network written out, layer after layer."""
    layers: list[nn.Module] = []
    for block in range(depth):
        layers.append(nn.Conv2d(3 if block == 0 else width, width, kernel_size=3, padding=1))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(width))
        elif norm == "instance":
            layers.append(nn.InstanceNorm2d(width, affine=True))
        elif norm == "layer":
            layers.append(nn.LayerNorm([width, side, side]))
        elif norm == "group":
            layers.append(nn.GroupNorm(4, width))
        layers += [nn.ReLU(), nn.AvgPool2d(2)]
        side //= 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * side * side, num_classes))


@pytest.mark.parametrize("norm", ["batch", "instance", "layer", "group", "none"])
@pytest.mark.parametrize("side", [16, 21])
def test_equals_the_network_written_out(norm: Norm, side: int) -> None:
    network = ConvNet(5, side, depth=3, width=8, norm=norm)
    written_out = reference(3, 8, side, 5, norm)
    own = network.state_dict()
    names = [f"layers.{kind}.{block}." for block in range(3) for kind in ("conv", "norm")] + ["classifier."]
    values = [value for name in names for key, value in own.items() if key.startswith(name)]
    target = written_out.state_dict()
    written_out.load_state_dict(dict(zip(target, values, strict=True)))
    images = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0))
    for training in (True, False):
        torch.testing.assert_close(network.train(training)(images), written_out.train(training)(images))


def test_parameter_count_of_the_cifar_network() -> None:
    first, later = 3 * 128 * 9 + 128, 128 * 128 * 9 + 128
    expected = first + 2 * later + 3 * 2 * 128 + (128 * 4 * 4 * 10 + 10)
    assert sum(parameter.numel() for parameter in ConvNet(10, 32).parameters()) == expected == 320_010


def test_parameters_have_the_published_names() -> None:
    keys = set(ConvNet(2, 8, depth=1, width=4, norm="instance").state_dict())
    assert keys == {
        f"{layer}.{kind}"
        for layer in ("layers.conv.0", "layers.norm.0", "classifier")
        for kind in ("weight", "bias")
    }


@pytest.mark.parametrize(("pooling", "side"), [("avg", 4), ("max", 4), ("none", 8)])
def test_pooling_sets_the_size_of_the_classifier(pooling: Literal["avg", "max", "none"], side: int) -> None:
    network = ConvNet(2, 8, depth=1, width=4, pooling=pooling)
    assert network.classifier.in_features == 4 * side**2
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 2)


def test_instance_norm_does_not_mix_samples() -> None:
    network = ConvNet(3, 16, depth=2, width=8, norm="instance").train()
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(images)[2:3], network(images[2:3]))


def test_images_too_small_for_the_depth() -> None:
    assert ConvNet(2, 16, depth=4, width=4)(torch.zeros(2, 3, 16, 16)).shape == (2, 2)
    with pytest.raises(NetworkError, match=re.escape("the largest depth for 15 px is 3")):
        ConvNet(2, 15, depth=4, width=4)


def test_unknown_options() -> None:
    with pytest.raises(NetworkError, match="norm to be batch, instance, layer, group or none, found 'bach'"):
        ConvNet(2, 8, depth=1, norm="bach")  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match="pooling to be avg, max or none, found 'sum'"):
        ConvNet(2, 8, depth=1, pooling="sum")  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match="width divisible by 4 for group norm, found 6"):
        ConvNet(2, 8, depth=1, width=6, norm="group")
    with pytest.raises(NetworkError, match="depth to be at least 1, found 0"):
        ConvNet(2, 8, depth=0)
