"""Batched augmentation: parameters are drawn per pass on the CPU, pixels are moved on the training device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from semdd_lightning.errors import ConfigError

CROP_ATTEMPTS = 10  # torchvision's RandomResizedCrop tries as often before it falls back to the whole image


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training image before student and teacher see it.

    The defaults are those of RDED (arXiv 2312.03526) for images of up to 64 px; it uses
    ``shuffle_patches=2`` and ``crop_scale=(0.5, 1)`` from there on.

    Args:
        crop_scale: range of the area share of the random resized crop; (1, 1) keeps the whole image.
        crop_ratio: range of the crop's aspect ratio, width over height.
        horizontal_flip: probability of a left-right flip.
        shuffle_patches: cut the image into this many patches a side and shuffle them; 1 leaves it whole.
        mix: how pairs of images of one global batch are mixed: cutmix pastes a box, mixup blends, none.
        mix_alpha: both parameters of the Beta distribution that the mixing ratio is drawn from.
    """

    crop_scale: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    horizontal_flip: float = 0.5
    shuffle_patches: int = 1
    mix: Literal["cutmix", "mixup", "none"] = "cutmix"
    mix_alpha: float = 1.0

    def __post_init__(self) -> None:
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            msg = f"Expected crop_scale as 0 < low <= high <= 1, found {self.crop_scale}; give area shares."
            raise ConfigError(msg)
        if not 0 < self.crop_ratio[0] <= self.crop_ratio[1]:
            msg = f"Expected crop_ratio as 0 < low <= high, found {self.crop_ratio}; give width over height."
            raise ConfigError(msg)
        if not 0 <= self.horizontal_flip <= 1:
            msg = f"Expected horizontal_flip in [0, 1], found {self.horizontal_flip}; give a probability."
            raise ConfigError(msg)
        if self.shuffle_patches < 1 or self.mix_alpha <= 0:
            msg = (
                f"Expected shuffle_patches >= 1 and mix_alpha > 0, found {self.shuffle_patches} "
                f"and {self.mix_alpha}; give 1 to leave patches alone and mix: none to mix nothing."
            )
            raise ConfigError(msg)

    @property
    def crops(self) -> bool:
        """Whether the crop can change an image; the crop of a whole square image is the identity."""
        return self.crop_scale[0] < 1


class ImageDraws(NamedTuple):
    """Random parameters of M images in one pass.

    Attributes:
        crops: crop boxes (top, left, height, width) in pixels, (M, 4).
        flips: whether an image is flipped, (M,) bool.
        patches: order of the patches, (M, shuffle_patches ** 2).
    """

    crops: Tensor
    flips: Tensor
    patches: Tensor

    def rows(self, index: Tensor) -> ImageDraws:
        """Draws of the images at ``index`` (n,)."""
        return ImageDraws(self.crops[index], self.flips[index], self.patches[index])


class MixDraw(NamedTuple):
    """How one global batch is mixed.

    Attributes:
        box: pasted box (top, left, bottom, right) in pixels, (4,); empty for mixup and none.
        ratio: share of the image that stays its own, 0-dim; 1 where nothing is mixed.
    """

    box: Tensor
    ratio: Tensor


def draw_images(
    policy: Augmentation, num_images: int, image_size: int, generator: np.random.Generator
) -> ImageDraws:
    """Draw crop, flip and patch order for ``num_images`` images of ``image_size`` pixels a side."""
    crops = _draw_crops(policy, num_images, image_size, generator)
    flips = generator.random(num_images) < policy.horizontal_flip
    patches = generator.random((num_images, policy.shuffle_patches**2)).argsort(axis=1)
    return ImageDraws(torch.from_numpy(crops), torch.from_numpy(flips), torch.from_numpy(patches))


def draw_mix(policy: Augmentation, image_size: int, generator: np.random.Generator) -> MixDraw:
    """Draw one mixing for a batch: CutMix (arXiv 1905.04899) or MixUp (arXiv 1710.09412).

    The CutMix box has side ``S * sqrt(1 - lambda)`` around a uniform centre and is clipped to the image;
    the returned ratio is the share of pixels that really stays.
    """
    empty = torch.zeros(4, dtype=torch.int64)
    if policy.mix == "none":
        return MixDraw(empty, torch.tensor(1.0))
    ratio = generator.beta(policy.mix_alpha, policy.mix_alpha)
    if policy.mix == "mixup":
        return MixDraw(empty, torch.tensor(ratio, dtype=torch.float32))
    half = int(image_size * np.sqrt(1 - ratio)) // 2
    centre = generator.integers(0, image_size, size=2)
    low, high = np.clip(centre - half, 0, image_size), np.clip(centre + half, 0, image_size)
    kept = 1 - np.prod(high - low) / image_size**2
    return MixDraw(torch.from_numpy(np.concatenate([low, high])), torch.tensor(kept, dtype=torch.float32))


def augment(images: Tensor, draws: ImageDraws, policy: Augmentation) -> Tensor:
    """Shuffle patches, crop and resize, flip.

    Args:
        images: float images in [0, 1], (B, 3, S, S).
        draws: parameters of these B images.
        policy: which of the steps are on.

    Returns:
        Augmented images, (B, 3, S, S).
    """
    if policy.shuffle_patches > 1:
        images = shuffle_patches(images, draws.patches)
    if policy.crops:
        images = resized_crop(images, draws.crops)
    if policy.horizontal_flip > 0:
        images = torch.where(draws.flips[:, None, None, None], images.flip(-1), images)
    return images


def mix(images: Tensor, partners: Tensor, draw: MixDraw, policy: Augmentation) -> Tensor:
    """Mix images with their partners, (B, 3, S, S) each."""
    if policy.mix == "mixup":
        return images * draw.ratio + partners * (1 - draw.ratio)
    if policy.mix == "cutmix":
        top, left, bottom, right = draw.box
        row = torch.arange(images.shape[-2], device=images.device)[:, None]
        column = torch.arange(images.shape[-1], device=images.device)[None, :]
        inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
        return torch.where(inside, partners, images)
    return images


def shuffle_patches(images: Tensor, order: Tensor) -> Tensor:
    """Put the patches of each image into a new order; what does not divide evenly stays at the margin.

    Args:
        images: images, (B, C, S, S).
        order: for each place, row by row, the patch that goes there, (B, F * F).
    """
    factor = round(order.shape[1] ** 0.5)
    batch, channels, size, _ = images.shape
    side = size // factor
    inner = images[..., : side * factor, : side * factor]
    cut = inner.reshape(batch, channels, factor, side, factor, side).permute(0, 2, 4, 1, 3, 5)
    cut = cut.reshape(batch, factor * factor, channels, side, side)
    cut = cut.gather(1, order[:, :, None, None, None].expand_as(cut))
    cut = cut.reshape(batch, factor, factor, channels, side, side).permute(0, 3, 1, 4, 2, 5)
    shuffled = images.clone()
    shuffled[..., : side * factor, : side * factor] = cut.reshape(inner.shape)
    return shuffled


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
    rows = _sample_positions(top, height, size)
    columns = _sample_positions(left, width, size)
    # grid_sample counts from -1 to 1 between the outer edges of the image
    grid = torch.stack(
        [
            ((columns * 2 + 1) / size - 1)[:, None, :].expand(-1, size, -1),
            ((rows * 2 + 1) / size - 1)[:, :, None].expand(-1, -1, size),
        ],
        dim=-1,
    )
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _sample_positions(start: Tensor, extent: Tensor, size: int) -> Tensor:
    """Source positions in pixels of ``size`` samples over each extent, kept inside it, (B, S)."""
    steps = torch.arange(size, device=start.device, dtype=start.dtype) + 0.5
    offsets = steps[None, :] * (extent / size)[:, None] - 0.5
    return start[:, None] + offsets.clamp(min=0).minimum((extent - 1)[:, None])


def _draw_crops(
    policy: Augmentation, num_images: int, size: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Boxes (top, left, height, width) as torchvision's RandomResizedCrop draws them, (M, 4)."""
    if not policy.crops:
        return np.tile(np.array([0, 0, size, size]), (num_images, 1))
    shape = (num_images, CROP_ATTEMPTS)
    area = size * size * generator.uniform(*policy.crop_scale, size=shape)
    low, high = policy.crop_ratio
    ratio = np.exp(generator.uniform(np.log(low), np.log(high), size=shape))
    width = np.round(np.sqrt(area * ratio)).astype(np.int64)
    height = np.round(np.sqrt(area / ratio)).astype(np.int64)
    valid = (width > 0) & (width <= size) & (height > 0) & (height <= size)
    first = valid.argmax(axis=1)
    row = np.arange(num_images)
    found = valid[row, first]
    # torchvision's fallback for a square image: the largest centred box of an allowed aspect ratio
    width = np.where(found, width[row, first], round(size * min(high, 1.0)))
    height = np.where(found, height[row, first], round(size / max(low, 1.0)))
    uniform = generator.random((2, num_images))
    top = np.where(found, np.floor(uniform[0] * (size - height + 1)), (size - height) // 2)
    left = np.where(found, np.floor(uniform[1] * (size - width + 1)), (size - width) // 2)
    return np.stack([top.astype(np.int64), left.astype(np.int64), height, width], axis=1)
