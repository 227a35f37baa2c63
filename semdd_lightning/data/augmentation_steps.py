"""Steps of augmentation, batched: each image is moved and coloured by its own drawn parameters.

Source of the constants of colour, which is not clamped: the evaluation code of IDC and Minimax Diffusion.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601; torchvision rounds the first to 0.2989
EIGENVALUES = (0.2175, 0.0188, 0.0045)  # of ImageNet's RGB covariance, images in [0, 1]
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
BRIGHTNESS, CONTRAST = 0, 1  # numbers of the steps in a drawn order; saturation is the third


def shuffle_patches(images: Tensor, order: Tensor) -> Tensor:
    """Put the patches of each image into a new order; what does not divide evenly stays at the margin.

    Args:
        images: images, (B, C, S, S).
        order: for each place, row by row, the patch that goes there, (B, F * F).
    """
    factor = round(order.shape[1] ** 0.5)
    batch, channels, size, _ = images.shape
    side = size // factor
    shuffled = images.clone()
    inner = shuffled[..., : side * factor, : side * factor]
    cut = inner.reshape(batch, channels, factor, side, factor, side).permute(0, 2, 4, 1, 3, 5)
    cut = cut.reshape(batch, factor * factor, channels, side, side)
    cut = cut.gather(1, order[:, :, None, None, None].expand_as(cut))
    cut = cut.reshape(batch, factor, factor, channels, side, side).permute(0, 3, 1, 4, 2, 5)
    inner[:] = cut.reshape(inner.shape)
    return shuffled


def padded_crop(images: Tensor, windows: Tensor, padding: int) -> Tensor:
    """Pad with black and cut each image's own window: torchvision's ``RandomCrop(S, padding)``.

    Args:
        images: images, (B, C, S, S).
        windows: top and left of the window in the padded image, (B, 2).
        padding: black pixels on each side.
    """
    batch, _, size, _ = images.shape
    padded = F.pad(images, [padding] * 4).permute(0, 2, 3, 1)  # (B, S + 2p, S + 2p, C)
    steps = torch.arange(size, device=images.device)
    image = torch.arange(batch, device=images.device)[:, None, None]
    rows, columns = windows[:, :1] + steps, windows[:, 1:] + steps  # (B, S) each
    return padded[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def resized_crop(images: Tensor, crops: Tensor) -> Tensor:
    """Crop each image at its own box and resize bilinearly to the full size, in one call.

    A crop never exceeds the image, so that resizing only ever enlarges, where antialiasing has no effect:
    the result is torchvision's ``resized_crop`` of each image.

    Args:
        images: images, (B, C, S, S).
        crops: boxes (top, left, height, width), (B, 4).
    """
    size = images.shape[-1]
    top, left, height, width = crops.to(images.dtype).unbind(1)
    # grid_sample counts from -1 to 1 between the outer edges of the image
    rows = (_sample_positions(top, height, size) * 2 + 1) / size - 1
    columns = (_sample_positions(left, width, size) * 2 + 1) / size - 1
    whole = (-1, size, size)
    grid = torch.stack([columns[:, None, :].expand(whole), rows[:, :, None].expand(whole)], dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _sample_positions(start: Tensor, extent: Tensor, size: int) -> Tensor:
    """Source positions in pixels of ``size`` samples over each extent, kept inside it, (B, S)."""
    steps = torch.arange(size, device=start.device, dtype=start.dtype) + 0.5
    offsets = steps[None, :] * (extent / size)[:, None] - 0.5
    return start[:, None] + offsets.clamp(min=0).minimum((extent - 1)[:, None])


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
