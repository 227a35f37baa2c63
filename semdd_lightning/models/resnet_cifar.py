"""ResNet-18 for small images."""

from __future__ import annotations

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from semdd_lightning.models.norms import BatchOrInstance, norm_layer, require_image_size, require_positive


class ResNet18Modified(ResNet):  # type: ignore[misc]  # torchvision ships no types
    """torchvision's ResNet-18 with a 3x3 stride-1 first convolution and no max pool.

    `resnet18_modified` of RDED (Sun et al. 2024), for CIFAR and Tiny-ImageNet. Parameters have torchvision's
    names, so that published weights load. The new convolution starts from PyTorch's default initialisation,
    as it does there.

    Args:
        num_classes: Number of logits C.
        image_size: Height and width of the images, in pixels; with instance norm at least 9.
        norm: "batch", or "instance" (a group norm of one channel a group).

    Raises:
        NetworkError: If the images are too small or the norm is unknown.
    """

    def __init__(self, num_classes: int, image_size: int, norm: BatchOrInstance = "batch") -> None:
        require_positive(num_classes=num_classes, image_size=image_size)
        layer = norm_layer(norm)
        if norm == "instance":
            # strides of 8 in all, rounded up: 8 px would end as one pixel
            require_image_size("ResNet18Modified with instance norm", image_size, smallest=9)
        super().__init__(BasicBlock, [2, 2, 2, 2], num_classes=num_classes, norm_layer=layer)
        self.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        self.maxpool = nn.Identity()
