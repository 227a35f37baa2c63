from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonargparse
import pytest
import torch
import torchvision
from torch import nn

import semdd_lightning.models as models
from semdd_lightning.errors import NetworkError
from semdd_lightning.models import (
    NETWORKS,
    ConvNet,
    NetworkFactory,
    build_network,
    short_name,
)

SMALLEST = {"conv6": 64, "conv6_instance": 64, "resnet18_instance": 33}


@pytest.mark.parametrize("name", list(NETWORKS))
def test_short_names_return_logits(name: str) -> None:
    size = SMALLEST.get(name, 32)
    assert build_network(name, 10, size)(torch.zeros(2, 3, size, size)).shape == (2, 10)


def test_short_names_are_those_of_the_protocols() -> None:
    network = build_network("conv4", 200, 64)
    assert isinstance(network, ConvNet)
    assert len(network.layers.conv) == 4
    assert network.classifier.in_features == 128 * 4 * 4
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == 4
    instance = build_network("conv4_instance", 200, 64)
    assert sum(isinstance(module, nn.GroupNorm) for module in instance.modules()) == 4


@pytest.mark.parametrize("name", ["resnet18", "torchvision/resnet18", "timm/test_resnet"])
def test_names_of_libraries(name: str) -> None:
    assert build_network(name, 3, 32)(torch.zeros(2, 3, 32, 32)).shape == (2, 3)


def test_same_seed_same_weights() -> None:
    networks: list[dict[str, torch.Tensor]] = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            networks.append(build_network("resnet18", 3, 32).state_dict())
    assert all(torch.equal(networks[0][key], networks[1][key]) for key in networks[0])


def test_a_factory_is_called_with_classes_and_size() -> None:
    def factory(num_classes: int, image_size: int) -> nn.Module:
        return nn.Linear(image_size, num_classes)

    network = build_network(factory, 4, 9)
    assert isinstance(network, nn.Linear)
    assert (network.in_features, network.out_features) == (9, 4)
    with pytest.raises(NetworkError, match=r"factory to return an nn.Module, found int"):
        build_network(lambda num_classes, image_size: num_classes, 4, 9)  # type: ignore[arg-type, return-value]


def test_unknown_names_list_the_short_ones() -> None:
    with pytest.raises(
        NetworkError, match=r"one of conv3, conv4.*found 'resnet18_modfied'; .*resnet18_modified"
    ):
        build_network("resnet18_modfied", 10, 32)
    with pytest.raises(NetworkError, match="found 'keras/resnet18'"):
        build_network("keras/resnet18", 10, 32)


@pytest.mark.parametrize(
    ("num_classes", "image_size", "name"), [(0, 32, "num_classes"), (10, 0, "image_size")]
)
def test_sizes_out_of_range(num_classes: int, image_size: int, name: str) -> None:
    with pytest.raises(NetworkError, match=f"{name} to be at least 1, found 0"):
        build_network("conv3", num_classes, image_size)


class Holder:
    """What a module or a data module does with a network of its configuration."""

    def __init__(self, network: str | NetworkFactory = "conv3") -> None:
        self.network = network


@pytest.mark.parametrize(
    ("value", "check"),
    [
        ("conv3", lambda network: len(network.layers.conv) == 3),
        (
            {"class_path": "semdd_lightning.models.ConvNet", "init_args": {"depth": 2}},
            lambda network: len(network.layers.conv) == 2,
        ),
        (
            {"class_path": "semdd_lightning.models.ResNet18Modified"},
            lambda network: network.fc.out_features == 5,
        ),
        (
            {
                "class_path": "semdd_lightning.models.ResNetAP",
                "init_args": {"blocks": [2, 1, 1, 1], "width": 8},
            },
            lambda network: len(network.layer1) == 2,
        ),
        (
            {
                "class_path": "semdd_lightning.models.TorchvisionNetwork",
                "init_args": {"name": "shufflenet_v2_x0_5"},
            },
            lambda network: isinstance(network.network, torchvision.models.ShuffleNetV2),
        ),
        (
            {"class_path": "semdd_lightning.models.TimmNetwork", "init_args": {"name": "test_resnet"}},
            lambda network: network.network.num_classes == 5,
        ),
    ],
)
def test_a_configuration_names_a_network(value: Any, check: Callable[[Any], bool]) -> None:  # noqa: ANN401
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Holder, "holder")
    config = parser.parse_object({"holder": {"network": value}})
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes  # renamed in 4.49
    network = build_network(instantiate(config).holder.network, 5, 32)
    assert check(network)
    assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 5)


def test_every_export_exists() -> None:
    assert all(hasattr(models, name) for name in models.__all__)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("conv3", {}, "conv3"),
        ("torchvision/resnet18", {}, "resnet18"),
        ("semdd_lightning.models.ConvNet", {}, "conv3"),
        ("ConvNet", {"depth": 6, "norm": "instance", "pooling": "avg"}, "conv6_instance"),
        ("ConvNet", {"depth": 6, "norm": "none"}, "ConvNet"),
        ("my.package.ConvNets", {"depth": 3}, "my.package.ConvNets"),
        ("ResNet18Modified", {}, "resnet18_modified"),
        ("ResNetModified", {}, "resnet18_modified"),
        ("ResNetModified", {"depth": 101}, "resnet101_modified"),
        ("ResNetModified", {"norm": "instance"}, "ResNetModified"),
        ("ResNetAP", {}, "resnetap10"),
        ("TorchvisionNetwork", {"name": "resnet18", "norm": "instance"}, "resnet18_instance"),
        ("TorchvisionNetwork", {"name": "swin_v2_t", "weights": None}, "swin_v2_t"),
        ("TimmNetwork", {"name": "vit_tiny_patch16_224"}, "vit_tiny_patch16_224"),
    ],
)
def test_the_short_name_of_a_spelling(name: str, arguments: dict[str, Any], expected: str) -> None:
    assert short_name(name, arguments) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_a_short_name_is_its_own(name: str) -> None:
    assert short_name(name, {}) == name
