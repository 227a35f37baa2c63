from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models import (
    TimmNetwork,
    TorchvisionNetwork,
    cut_head,
    timm_network,
    torchvision_network,
)


def test_torchvision_network_is_torchvisions_own() -> None:
    network = torchvision_network(5, 32, "mobilenet_v3_small")
    reference = torchvision.models.mobilenet_v3_small(num_classes=5)
    assert network.training
    assert network.state_dict().keys() == reference.state_dict().keys()


def test_building_checks_without_touching_the_batch_statistics() -> None:
    network = torchvision_network(5, 32, "resnet18")
    fresh = torchvision.models.resnet18(num_classes=5).state_dict()
    for key, value in network.state_dict().items():
        if "running" in key or "tracked" in key:
            assert torch.equal(value, fresh[key])


def test_auxiliary_heads_are_left_out() -> None:
    network = torchvision_network(5, 32, "googlenet")
    assert isinstance(network, torchvision.models.GoogLeNet)
    assert (network.aux1, network.aux2) == (None, None)


def test_vision_transformers_are_built_for_the_image_size() -> None:
    assert torchvision_network(3, 32, "vit_b_16")(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert timm_network(3, 48, "test_vit")(torch.zeros(1, 3, 48, 48)).shape == (1, 3)
    with pytest.raises(
        NetworkError, match=r"vit_b_16 to fit num_classes=3 and image_size=40, found: .*indivisible"
    ):
        torchvision_network(3, 40, "vit_b_16")


def test_images_too_small_for_the_network() -> None:
    with pytest.raises(NetworkError, match="squeezenet1_1 to fit num_classes=3 and image_size=8, found"):
        torchvision_network(3, 8, "squeezenet1_1")


def test_unknown_names_show_close_matches() -> None:
    with pytest.raises(
        NetworkError, match=r"a torchvision network, found 'resnet81'; close matches: .*resnet18"
    ):
        torchvision_network(3, 32, "resnet81")
    with pytest.raises(
        NetworkError, match=r"a timm network, found 'vit_tiny_patch16_242'; .*vit_tiny_patch16_224"
    ):
        timm_network(3, 32, "vit_tiny_patch16_242")
    with pytest.raises(NetworkError, match=r"timm/test_vit.no_such_tag to fit"):
        timm_network(3, 160, "test_vit.no_such_tag")


def test_weights_are_checked_before_they_are_fetched() -> None:
    with pytest.raises(NetworkError, match=r"the 1000 classes of resnet18's .* found 10; .*cut_head"):
        torchvision_network(10, 224, "resnet18", weights="IMAGENET1K_V1")
    with pytest.raises(NetworkError, match="weights of resnet18, found 'V9'; use one of IMAGENET1K_V1"):
        torchvision_network(1000, 224, "resnet18", weights="V9")


def test_instance_norm_of_a_resnet() -> None:
    network = torchvision_network(4, 33, "resnet18", norm="instance").train()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    images = torch.rand(2, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    logits = network(images)
    assert not torch.allclose(logits[0], logits[1])
    torch.testing.assert_close(logits[:1], network(images[:1]), rtol=1e-4, atol=1e-5)
    with pytest.raises(
        NetworkError, match="image_size of at least 33 for resnet18 with instance norm, found 32"
    ):
        torchvision_network(4, 32, "resnet18", norm="instance")
    with pytest.raises(NetworkError, match="a ResNet for instance norm, found 'vgg11'"):
        torchvision_network(4, 64, "vgg11", norm="instance")


def test_modules_for_configurations_hold_the_librarys_own() -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for module in (TorchvisionNetwork(5, 32, "shufflenet_v2_x0_5"), TimmNetwork(5, 32, name="test_resnet")):
        network = module.eval().network
        assert torch.equal(module(images), network(images))
        assert cut_head(module, [4, 1]).eval()(images).shape == (2, 2)
