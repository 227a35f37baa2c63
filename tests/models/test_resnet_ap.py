from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models import ResNetAP


def parameters_by_hand(num_classes: int, width: int, kernel: int) -> int:
    """Parameters of ResNetAP-10: convolutions without bias, a scale and a shift for every normed channel."""
    total = 3 * width * kernel**2 + 2 * width + (8 * width + 1) * num_classes
    for channels_in, channels in [(1, 1), (1, 2), (2, 4), (4, 8)]:
        before, after = channels_in * width, channels * width
        total += 9 * before * after + 9 * after * after + 2 * 2 * after
        if before != after:
            total += before * after + 2 * after
    return total


def forward_by_hand(weights: dict[str, Tensor], images: Tensor, pool: int) -> Tensor:
    """The forward pass of ResNetAP-10 with instance norm, from its weights alone."""

    def conv_norm(features: Tensor, conv: str, norm: str, pool: int = 1) -> Tensor:
        kernel = weights[f"{conv}.weight"]
        out = F.conv2d(features, kernel, padding=kernel.shape[-1] // 2)
        out = F.avg_pool2d(out, pool) if pool > 1 else out
        return F.instance_norm(out, weight=weights[f"{norm}.weight"], bias=weights[f"{norm}.bias"])

    features = conv_norm(images, "layer0.conv1", "layer0.bn1").relu()
    features = F.avg_pool2d(features, pool) if pool > 1 else features
    for stage in (1, 2, 3, 4):
        name = f"layer{stage}.0"
        inner = conv_norm(features, f"{name}.conv1", f"{name}.bn1").relu()
        shortcut = features
        if stage > 1:
            inner = F.avg_pool2d(inner, 2)
            shortcut = conv_norm(features, f"{name}.downsample.0", f"{name}.downsample.2", pool=2)
        features = (conv_norm(inner, f"{name}.conv2", f"{name}.bn2") + shortcut).relu()
    return features.mean(dim=(2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]


@pytest.mark.parametrize(("image_size", "kernel", "pool"), [(32, 3, 1), (65, 3, 2), (128, 3, 2), (224, 7, 4)])
def test_equals_the_forward_pass_written_out(image_size: int, kernel: int, pool: int) -> None:
    network = ResNetAP(7, image_size, width=8)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters_by_hand(7, 8, kernel)
    images = torch.rand(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    logits = network(images)
    assert logits.shape == (2, 7)
    torch.testing.assert_close(
        logits, forward_by_hand(network.state_dict(), images, pool), rtol=1e-4, atol=1e-5
    )


def test_parameter_count_of_the_published_network() -> None:
    network = ResNetAP(10, 224)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters_by_hand(10, 64, 7)


def test_instance_norm_does_not_mix_samples() -> None:
    network = ResNetAP(4, 16, width=8).train()
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    logits = network(images)
    assert not torch.allclose(logits[0], logits[1])
    torch.testing.assert_close(logits[1:2], network(images[1:2]), rtol=1e-4, atol=1e-5)


def test_deeper_and_batch_norm() -> None:
    network = ResNetAP(4, 32, blocks=(2, 1, 2, 1), width=4, norm="batch")
    stages = (network.layer1, network.layer2, network.layer3, network.layer4)
    assert [len(stage) for stage in stages] == [2, 1, 2, 1]
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == 1 + 6 * 2 + 3
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_options_out_of_range() -> None:
    with pytest.raises(
        NetworkError, match="image_size of at least 16 for ResNetAP with instance norm, found 15"
    ):
        ResNetAP(4, 15)
    with pytest.raises(NetworkError, match="image_size of at least 8 for ResNetAP with batch norm, found 7"):
        ResNetAP(4, 7, norm="batch")
    with pytest.raises(NetworkError, match="blocks to be at least 1, found 0"):
        ResNetAP(4, 32, blocks=(1, 0, 1, 1))
    with pytest.raises(NetworkError, match="norm to be batch or instance, found 'group'"):
        ResNetAP(4, 32, norm="group")  # type: ignore[arg-type]
