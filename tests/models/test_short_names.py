from __future__ import annotations

from typing import Any

import pytest

from semdd_lightning.models import NETWORKS, short_name


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
