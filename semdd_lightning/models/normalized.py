"""A network that owns its resize and normalisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.norms import require_positive

IMAGENET_MEAN: tuple[float, float, float] = (0.485, 0.456, 0.406)
"""Channel means of ImageNet, as all torchvision weights use them."""

IMAGENET_STD: tuple[float, float, float] = (0.229, 0.224, 0.225)
"""Channel standard deviations of ImageNet, as all torchvision weights use them."""

CIFAR_MEAN: tuple[float, float, float] = (0.4914, 0.4822, 0.4465)
"""Channel means of CIFAR-10."""

CIFAR_STD: tuple[float, float, float] = (0.2023, 0.1994, 0.2010)
"""Channel standard deviations of CIFAR-10, as commonly used (means of the per-image deviations)."""


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
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
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
