"""Batched augmentation: parameters are drawn per pass on the CPU, pixels are moved on the training device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.data.augmentation_steps import (
    jitter_colours,
    light,
    padded_crop,
    resized_crop,
    shuffle_patches,
)
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
        shuffle_patches: cut the image into this many columns and shuffle them, then into as many rows, as
            RDED does; 1 leaves it whole.
        pad_crop: pad each side with this many black pixels, then cut a window of the image's size.
        color_jitter: how far brightness, contrast and saturation may move from 1, each in [0, 1], in random
            order and without clamping (Minimax Diffusion takes 0.4 each).
        lighting: standard deviation of AlexNet's PCA colour noise (Minimax Diffusion takes 0.1).
        mix: how pairs of images of one global batch are mixed: cutmix pastes a box, mixup blends, none.
        mix_alpha: both parameters of the Beta distribution that the mixing ratio is drawn from.
    """

    crop_scale: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    horizontal_flip: float = 0.5
    shuffle_patches: int = 1
    pad_crop: int = 0
    color_jitter: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lighting: float = 0.0
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
        strengths = self.color_jitter
        if self.pad_crop < 0 or self.lighting < 0 or min(strengths) < 0 or max(strengths) > 1:
            msg = (
                f"Expected pad_crop >= 0, lighting >= 0 and color_jitter in [0, 1], found {self.pad_crop}, "
                f"{self.lighting} and {strengths}; 0 switches a step off."
            )
            raise ConfigError(msg)

    @property
    def crops(self) -> bool:
        """Whether the crop can change an image; the crop of a whole square image is the identity."""
        return self.crop_scale[0] < 1

    @property
    def jitters(self) -> bool:
        """Whether brightness, contrast or saturation can change."""
        return max(self.color_jitter) > 0


class ImageDraws(NamedTuple):
    """Random parameters of M images in one pass.

    Attributes:
        crops: crop boxes (top, left, height, width) in pixels, (M, 4).
        flips: whether an image is flipped, (M,) bool.
        patches: order of the patches, (M, shuffle_patches ** 2).
        windows: top and left of the window in the padded image, (M, 2); (M, 0) where nothing is padded.
        factors: factors of brightness, contrast and saturation, (M, 3); (M, 0) without jitter.
        factor_order: the order in which they act, (M, 3); (M, 0) without jitter.
        shares: shares of the principal components of colour, (M, 3); (M, 0) without lighting.
    """

    crops: Tensor
    flips: Tensor
    patches: Tensor
    windows: Tensor
    factors: Tensor
    factor_order: Tensor
    shares: Tensor

    def rows(self, index: Tensor) -> ImageDraws:
        """Draws of the images at ``index`` (n,)."""
        return ImageDraws(*(values[index] for values in self))


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
    """Draw what happens to ``num_images`` images of ``image_size`` pixels per side.

    Steps that are off draw nothing, so that switching one on leaves the draws of those before it as they are.
    """
    none = np.zeros((num_images, 0))
    crops = _draw_crops(policy, num_images, image_size, generator)
    flips = generator.random(num_images) < policy.horizontal_flip
    patches = _draw_patches(policy.shuffle_patches, num_images, generator)
    windows = none.astype(np.int64)
    if policy.pad_crop > 0:
        windows = generator.integers(0, 2 * policy.pad_crop + 1, size=(num_images, 2))
    factors, factor_order, shares = none, none.astype(np.int64), none
    if policy.jitters:
        strengths = np.array(policy.color_jitter)
        factors = generator.uniform(1 - strengths, 1 + strengths, size=(num_images, 3)).astype(np.float32)
        factor_order = generator.random((num_images, 3)).argsort(axis=1)
    if policy.lighting > 0:
        shares = generator.normal(0, policy.lighting, size=(num_images, 3)).astype(np.float32)
    drawn = (crops, flips, patches, windows, factors, factor_order, shares)
    return ImageDraws(*map(torch.from_numpy, drawn))


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
    """Shuffle patches, pad and crop, crop and resize, flip, change colours, in this order.

    Args:
        images: float images in [0, 1], (B, 3, S, S).
        draws: parameters of these B images.
        policy: which of the steps are on.

    Returns:
        Augmented images, (B, 3, S, S).
    """
    if policy.shuffle_patches > 1:
        images = shuffle_patches(images, draws.patches)
    if policy.pad_crop > 0:
        images = padded_crop(images, draws.windows, policy.pad_crop)
    if policy.crops:
        images = resized_crop(images, draws.crops)
    if policy.horizontal_flip > 0:
        images = torch.where(draws.flips[:, None, None, None], images.flip(-1), images)
    if policy.jitters:
        images = jitter_colours(images, draws.factors, draws.factor_order)
    return light(images, draws.shares) if policy.lighting > 0 else images


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


def _draw_patches(factor: int, num_images: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """For each place, row by row, the patch that goes there: rows and columns are shuffled apart, (M, F * F).

    RDED shuffles whole columns, then whole rows, so that patches of one row stay in one row.
    """
    rows = generator.random((num_images, factor)).argsort(axis=1)
    if factor == 1:
        return rows
    columns = generator.random((num_images, factor)).argsort(axis=1)
    return (rows[:, :, None] * factor + columns[:, None, :]).reshape(num_images, -1)


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
