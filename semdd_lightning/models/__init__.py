"""Students and teachers: networks that libraries lack, and one factory over ours, torchvision and timm."""

from __future__ import annotations

from semdd_lightning.models.adapted import (
    CIFAR_MEAN,
    CIFAR_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    NormalizedNetwork,
    cut_head,
)
from semdd_lightning.models.convnet import ConvNet
from semdd_lightning.models.library import (
    TimmNetwork,
    TorchvisionNetwork,
    published_weights,
    timm_network,
    torchvision_network,
)
from semdd_lightning.models.registry import (
    NETWORKS,
    NetworkFactory,
    build_network,
    short_name,
)
from semdd_lightning.models.resnets import ResNet18Modified, ResNetAP, ResNetModified

__all__ = [
    "CIFAR_MEAN",
    "CIFAR_STD",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "NETWORKS",
    "ConvNet",
    "NetworkFactory",
    "NormalizedNetwork",
    "ResNet18Modified",
    "ResNetAP",
    "ResNetModified",
    "TimmNetwork",
    "TorchvisionNetwork",
    "build_network",
    "cut_head",
    "published_weights",
    "short_name",
    "timm_network",
    "torchvision_network",
]
