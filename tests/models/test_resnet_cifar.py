from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models import ResNet18Modified


def test_equals_torchvision_with_another_stem() -> None:
    network = ResNet18Modified(10, 32)
    reference = torchvision.models.resnet18(num_classes=10)
    reference.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
    reference.maxpool = nn.Sequential()
    reference.load_state_dict(network.state_dict())
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for training in (True, False):
        torch.testing.assert_close(network.train(training)(images), reference.train(training)(images))


def test_instance_norm_does_not_mix_samples() -> None:
    network = ResNet18Modified(4, 16, norm="instance").train()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(images)[1:2], network(images[1:2]), rtol=1e-4, atol=1e-5)


def test_smallest_image_of_instance_norm() -> None:
    network = ResNet18Modified(4, 9, norm="instance")
    logits = network(torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0)))
    assert not torch.allclose(logits[0], logits[1])
    with pytest.raises(
        NetworkError, match="image_size of at least 9 for ResNet18Modified with instance norm"
    ):
        ResNet18Modified(4, 8, norm="instance")


def test_unknown_norm() -> None:
    with pytest.raises(NetworkError, match="norm to be batch or instance, found 'layer'"):
        ResNet18Modified(4, 32, norm="layer")  # type: ignore[arg-type]
