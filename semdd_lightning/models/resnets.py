"""Residual networks of the field: ResNetAP, which pools, and torchvision's with a stem for small images."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.norms import (
    BatchOrInstance,
    NormLayer,
    norm_layer,
    require_image_size,
    require_positive,
)

BLOCKS = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
}


class ResNetAP(nn.Module):
    """ResNetAP-10 and its deeper relatives: every convolution has stride 1, average pooling downsamples.

    The student of IDC (Kim et al. 2022, "Dataset condensation via efficient synthetic-data parameterization")
    and of Minimax Diffusion (Gu et al. 2024). The stem follows the image size: up to 64 px a 3x3 convolution,
    up to 128 px the same and 2x2 pooling, above a 7x7 convolution and 4x4 pooling. The last feature map is
    averaged whatever its size. Parameters have the names that those code bases use, so that published
    weights load.

    Args:
        num_classes: Number of logits C.
        image_size: Height and width of the images, in pixels; at least 16 (with batch norm 8).
        blocks: Basic blocks of the four stages; (1, 1, 1, 1) is ResNetAP-10, (2, 2, 2, 2) ResNetAP-18.
        width: Channels of the first stage; every later stage doubles them.
        norm: "instance" (a group norm of one channel a group) or "batch".

    Raises:
        NetworkError: If the images are too small or an option is out of range.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        blocks: tuple[int, int, int, int] = (1, 1, 1, 1),
        width: int = 64,
        norm: BatchOrInstance = "instance",
    ) -> None:
        super().__init__()
        require_positive(num_classes=num_classes, image_size=image_size, width=width, blocks=min(blocks))
        layer = norm_layer(norm)
        # three stages halve; a last feature map of one pixel is nothing to an instance norm
        require_image_size(f"ResNetAP with {norm} norm", image_size, smallest=16 if norm == "instance" else 8)
        self.layer0 = _stem(image_size, width, layer)
        self.layer1 = _stage(width, width, blocks[0], 1, layer)
        self.layer2 = _stage(width, width * 2, blocks[1], 2, layer)
        self.layer3 = _stage(width * 2, width * 4, blocks[2], 2, layer)
        self.layer4 = _stage(width * 4, width * 8, blocks[3], 2, layer)
        self.fc = nn.Linear(width * 8, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images `(B, 3, S, S)` to logits `(B, C)`."""
        features = self.layer1(self.layer0(images))
        features = self.layer4(self.layer3(self.layer2(features)))  # (B, 8 width, s, s)
        logits: Tensor = self.fc(features.mean(dim=(2, 3)))
        return logits


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; pooled after the first ReLU and after the shortcut's 1x1."""

    def __init__(self, channels_in: int, channels: int, pool: int, layer: NormLayer) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.bn1 = layer(channels)
        self.pool = nn.AvgPool2d(pool) if pool > 1 else nn.Identity()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = layer(channels)
        self.downsample: nn.Module = nn.Identity()
        if pool > 1 or channels_in != channels:
            project = nn.Conv2d(channels_in, channels, 1, bias=False)
            self.downsample = nn.Sequential(project, nn.AvgPool2d(pool), layer(channels))

    def forward(self, features: Tensor) -> Tensor:
        inner = self.pool(F.relu(self.bn1(self.conv1(features))))
        return F.relu(self.bn2(self.conv2(inner)) + self.downsample(features))


def _stem(image_size: int, width: int, layer: NormLayer) -> nn.Sequential:
    kernel, pool = (3, 1) if image_size <= 64 else (3, 2) if image_size <= 128 else (7, 4)
    convolution = nn.Conv2d(3, width, kernel, padding=kernel // 2, bias=False)
    stem = nn.Sequential(OrderedDict(conv1=convolution, bn1=layer(width), relu=nn.ReLU()))
    if pool > 1:
        stem.add_module("pool", nn.AvgPool2d(pool))
    return stem


def _stage(channels_in: int, channels: int, blocks: int, pool: int, layer: NormLayer) -> nn.Sequential:
    first = _Block(channels_in, channels, pool, layer)
    return nn.Sequential(first, *(_Block(channels, channels, 1, layer) for _ in range(blocks - 1)))


class ResNetModified(ResNet):  # type: ignore[misc]  # torchvision ships no types
    """torchvision's ResNet with a 3x3 stride-1 first convolution and no max pool.

    `resnet18_modified` and `resnet101_modified` of RDED (Sun et al. 2024), for CIFAR and Tiny-ImageNet.
    Parameters have torchvision's names, so that published weights load. The new convolution starts from
    PyTorch's default initialisation, as it does there.

    Args:
        num_classes: Number of logits C.
        image_size: Height and width of the images, in pixels; with instance norm at least 9.
        depth: Which of torchvision's ResNets.
        norm: "batch", or "instance" (a group norm of one channel a group).

    Raises:
        NetworkError: If the images are too small or an option is unknown.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        depth: Literal[18, 34, 50, 101] = 18,
        norm: BatchOrInstance = "batch",
    ) -> None:
        require_positive(num_classes=num_classes, image_size=image_size)
        if depth not in BLOCKS:
            msg = f"Expected a depth of {', '.join(map(str, BLOCKS))}, found {depth}; use one of these."
            raise NetworkError(msg)
        if norm == "instance":
            # strides of 8 in all, rounded up: 8 px would end as one pixel
            require_image_size(f"{type(self).__name__} with instance norm", image_size, smallest=9)
        super().__init__(*BLOCKS[depth], num_classes=num_classes, norm_layer=norm_layer(norm))
        self.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        self.maxpool = nn.Identity()


class ResNet18Modified(ResNetModified):
    """`ResNetModified` of depth 18, the student and teacher of most papers on small images."""

    def __init__(self, num_classes: int, image_size: int, norm: BatchOrInstance = "batch") -> None:
        super().__init__(num_classes, image_size, 18, norm)
