"""Batched colour augmentation: brightness, contrast, saturation, and the PCA noise of AlexNet.

Source of the constants and of the lack of clamping: the evaluation code of IDC and Minimax Diffusion.
"""

from __future__ import annotations

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601; torchvision rounds the first to 0.2989
EIGENVALUES = (0.2175, 0.0188, 0.0045)  # of ImageNet's RGB covariance, images in [0, 1]
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
BRIGHTNESS, CONTRAST = 0, 1  # numbers of the steps in a drawn order; saturation is the third


def jitter_colours(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Change brightness, contrast and saturation of each image by its own factors in its own order.

    Each step moves the image away from (factor above 1) or towards (below 1) black, its mean grey, or its
    grey version. As in the reference implementations, and unlike torchvision, nothing is clamped: values may
    leave [0, 1].

    Args:
        images: images in [0, 1], (B, 3, H, W).
        factors: factor of brightness, contrast and saturation, (B, 3); 1 changes nothing.
        order: which of the three comes first, second and third, (B, 3), a permutation of 0, 1, 2.

    Examples:
        >>> image = torch.full((1, 3, 2, 2), 0.4)
        >>> factors, order = torch.tensor([[1.5, 1.0, 0.0]]), torch.tensor([[0, 1, 2]])
        >>> round(jitter_colours(image, factors, order).mean().item(), 4)
        0.6
    """
    weights = torch.tensor(GREY, dtype=images.dtype, device=images.device)[:, None, None]
    for step in order.unbind(1):
        kind = step[:, None, None, None]
        grey = (images * weights).sum(dim=1, keepdim=True)  # (B, 1, H, W)
        target = torch.where(kind == CONTRAST, grey.mean(dim=(2, 3), keepdim=True), grey)
        target = torch.where(kind == BRIGHTNESS, 0.0, target)
        factor = factors.gather(1, step[:, None])[:, :, None, None].to(images.dtype)
        images = factor * images + (1 - factor) * target
    return images


def light(images: Tensor, shares: Tensor) -> Tensor:
    """Add AlexNet's PCA noise: one colour for all pixels of an image (Krizhevsky et al. 2012).

    Args:
        images: images, (B, 3, H, W).
        shares: drawn share of each principal component, (B, 3).
    """
    values = torch.tensor(EIGENVALUES, dtype=images.dtype, device=images.device)
    vectors = torch.tensor(EIGENVECTORS, dtype=images.dtype, device=images.device)
    colours = (shares.to(images.dtype) * values) @ vectors.T  # (B, 3)
    return images + colours[:, :, None, None]
