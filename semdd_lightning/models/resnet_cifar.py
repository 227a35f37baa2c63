"""ResNets for small images."""

from __future__ import annotations

from typing import Literal

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.norms import BatchOrInstance, norm_layer, require_image_size, require_positive

BLOCKS = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
}


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
        layer = norm_layer(norm)
        if norm == "instance":
            # strides of 8 in all, rounded up: 8 px would end as one pixel
            require_image_size(f"{type(self).__name__} with instance norm", image_size, smallest=9)
        block, blocks = BLOCKS[depth]
        super().__init__(block, blocks, num_classes=num_classes, norm_layer=layer)
        self.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        self.maxpool = nn.Identity()


class ResNet18Modified(ResNetModified):
    """`ResNetModified` of depth 18, the student and teacher of most papers on small images.

    Args:
        num_classes: Number of logits C.
        image_size: Height and width of the images, in pixels; with instance norm at least 9.
        norm: "batch", or "instance" (a group norm of one channel a group).

    Raises:
        NetworkError: If the images are too small or the norm is unknown.
    """

    def __init__(self, num_classes: int, image_size: int, norm: BatchOrInstance = "batch") -> None:
        super().__init__(num_classes, image_size, 18, norm)
