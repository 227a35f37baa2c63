"""Fits a network to images and classes: own resize and normalisation, its head cut to some classes."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.library import LibraryNetwork
from semdd_lightning.models.norms import require_positive

Channels = tuple[float, float, float]
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
"""Channel means and standard deviations of ImageNet, as all torchvision weights use them."""
CIFAR_MEAN: Channels = (0.4914, 0.4822, 0.4465)
CIFAR_STD: Channels = (0.2023, 0.1994, 0.2010)
"""The same of CIFAR-10, the deviations as commonly used (means of the per-image deviations)."""


class NormalizedNetwork(nn.Module):
    """A network behind its own preprocessing, so that students and teachers can share one batch.

    Images are resized to `image_size` (bilinear with antialiasing, aspect ratio not kept) where they differ,
    then normalised. The constants follow the module to its device and are not part of its state.

    Args:
        network: Maps normalised images `(B, 3, S, S)` to logits `(B, C)`.
        image_size: Side S of the images that the network expects, in pixels.
        mean: Mean of each channel of images in [0, 1].
        std: Standard deviation of each channel, positive.

    Attributes:
        class_names: Classes in the order of the logits, where they are known.

    Raises:
        NetworkError: If the size or the constants are out of range.
    """

    mean: Tensor
    std: Tensor
    class_names: tuple[str, ...] = ()

    def __init__(
        self,
        network: nn.Module,
        image_size: int,
        mean: Channels = IMAGENET_MEAN,
        std: Channels = IMAGENET_STD,
    ) -> None:
        super().__init__()
        require_positive(image_size=image_size)
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            msg = f"Expected 3 means and 3 positive deviations, found mean={mean} and std={std}; mend them."
            raise NetworkError(msg)
        self.network = network
        self.image_size = image_size
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images in [0, 1], `(B, 3, H, W)`, to logits `(B, C)`.

        Raises:
            NetworkError: If the images are not a floating-point batch of three channels.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            msg = (
                "Expected floating-point images (B, 3, H, W) in [0, 1], "
                f"found {images.dtype} of shape {tuple(images.shape)}; convert them first."
            )
            raise NetworkError(msg)
        size = (self.image_size, self.image_size)
        if images.shape[2:] != size:
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
        normalised = (images - self.mean) / self.std
        dtype = next((p.dtype for p in self.network.parameters()), normalised.dtype)
        logits: Tensor = self.network(normalised.to(dtype))  # networks in half precision take half images
        return logits


def cut_head(network: nn.Module, class_indices: Sequence[int]) -> nn.Module:
    """Copy a classifier, keeping only some classes of its last linear layer.

    Cuts, say, a 1000-way ImageNet teacher to the ten classes of a subset: logit k of the copy is logit
    `class_indices[k]` of the network, exactly.

    Args:
        network: A classifier of this package, torchvision or timm that ends in a linear layer, or a
            `NormalizedNetwork` around one. It is not changed.
        class_indices: Distinct rows to keep, in the order of the new logits, each in [0, C).

    Raises:
        NetworkError: If the last layer cannot be found, or the indices do not fit it.
    """
    _check_indices(class_indices, _find_head(network).out_features)
    cut = copy.deepcopy(network)
    head = _find_head(cut)
    rows = torch.as_tensor(list(class_indices), device=head.weight.device)
    for name, parameter in list(head.named_parameters()):  # weight, and bias where there is one
        setattr(head, name, nn.Parameter(parameter.detach()[rows], requires_grad=parameter.requires_grad))
    head.out_features = len(rows)
    return cut


def _find_head(network: nn.Module) -> nn.Linear:
    """The last linear layer, by the conventions of timm and torchvision."""
    if isinstance(network, NormalizedNetwork | LibraryNetwork):
        return _find_head(network.network)
    get_classifier = getattr(network, "get_classifier", None)
    found: list[object] = [getattr(network, name, None) for name in ("fc", "classifier", "heads", "head")]
    if callable(get_classifier):
        found = [get_classifier()]
    for module in found:
        last = module[-1] if isinstance(module, nn.Sequential) and len(module) else module
        if isinstance(last, nn.Linear):
            return last
    msg = (
        "Expected a classifier with a linear last layer (fc, classifier, heads.head, head or timm's "
        f"get_classifier()), found {type(network).__name__}; use another teacher."
    )
    raise NetworkError(msg)


def _check_indices(class_indices: Sequence[int], num_classes: int) -> None:
    if len(class_indices) == 0:
        msg = f"Expected at least one of {num_classes} classes to keep, found none; name the rows to keep."
        raise NetworkError(msg)
    seen: set[int] = set()
    for index in class_indices:
        if not 0 <= index < num_classes:
            msg = (
                f"Expected class indices in [0, {num_classes}), found {index}; "
                "check the teacher indices of the class list."
            )
            raise NetworkError(msg)
        if index in seen:
            msg = f"Expected distinct class indices, found {index} twice; name every row once."
            raise NetworkError(msg)
        seen.add(index)
