"""ResNetAP: residual networks that downsample by average pooling only."""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn

from semdd_lightning.models.norms import (
    BatchOrInstance,
    build_norm,
    norm_layer,
    require_image_size,
    require_positive,
)


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
        norm_layer(norm)  # refuses the norms that this network does not have
        kernel, pool = _stem_sizes(image_size)
        # three stages halve; a last feature map of one pixel is nothing to an instance norm
        require_image_size(f"ResNetAP with {norm} norm", image_size, smallest=16 if norm == "instance" else 8)
        self.layer0 = _stem(width, kernel, pool, norm)
        self.layer1 = _stage(width, width, blocks[0], 1, norm)
        self.layer2 = _stage(width, width * 2, blocks[1], 2, norm)
        self.layer3 = _stage(width * 2, width * 4, blocks[2], 2, norm)
        self.layer4 = _stage(width * 4, width * 8, blocks[3], 2, norm)
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

    def __init__(self, channels_in: int, channels: int, pool: int, norm: BatchOrInstance) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.bn1 = build_norm(norm, channels, 0)
        self.pool = nn.AvgPool2d(pool) if pool > 1 else nn.Identity()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = build_norm(norm, channels, 0)
        self.downsample: nn.Module = nn.Identity()
        if pool > 1 or channels_in != channels:
            project = nn.Conv2d(channels_in, channels, 1, bias=False)
            self.downsample = nn.Sequential(project, nn.AvgPool2d(pool), build_norm(norm, channels, 0))

    def forward(self, features: Tensor) -> Tensor:
        inner = self.pool(F.relu(self.bn1(self.conv1(features))))
        return F.relu(self.bn2(self.conv2(inner)) + self.downsample(features))


def _stem_sizes(image_size: int) -> tuple[int, int]:
    """Kernel of the first convolution and side of the pooling after it."""
    if image_size <= 64:
        return 3, 1
    return (3, 2) if image_size <= 128 else (7, 4)


def _stem(width: int, kernel: int, pool: int, norm: BatchOrInstance) -> nn.Sequential:
    modules: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, width, kernel, padding=kernel // 2, bias=False),
        bn1=build_norm(norm, width, 0),
        relu=nn.ReLU(),
    )
    if pool > 1:
        modules["pool"] = nn.AvgPool2d(pool)
    return nn.Sequential(modules)


def _stage(channels_in: int, channels: int, blocks: int, pool: int, norm: BatchOrInstance) -> nn.Sequential:
    first = _Block(channels_in, channels, pool, norm)
    return nn.Sequential(first, *(_Block(channels, channels, 1, norm) for _ in range(blocks - 1)))
