"""A CLIP model's own image preprocessing: open_clip's for PIL images, tensor operations for batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from open_clip.transform import PreprocessCfg, center_crop_or_pad, image_transform_v2, merge_preprocess_dict
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import Compose

from semdd_lightning.errors import PriorError

RESIZE_MODES = ("shortest", "longest", "squash")


@dataclass(frozen=True)
class Preprocessing:
    """How a CLIP model wants its images; travels with the weights.

    Args:
        size: Height and width of the model's input, in pixels.
        mean: Mean of each channel, of images in [0, 1].
        std: Standard deviation of each channel, of images in [0, 1].
        interpolation: ``bicubic`` or ``bilinear``, always with antialias.
        resize_mode: ``shortest`` (side to size, then centre crop), ``longest`` (then pad) or ``squash``.
        fill_color: Grey level of the padding of ``longest``, 0 to 255.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    fill_color: int = 0

    def __post_init__(self) -> None:
        if self.resize_mode not in RESIZE_MODES:
            msg = (
                f"Expected the model's resize_mode to be one of {RESIZE_MODES}, found "
                f"{self.resize_mode!r}; correct preprocess_cfg in its open_clip_config.json."
            )
            raise PriorError(msg)
        if self.interpolation not in ("bicubic", "bilinear"):
            msg = (
                "Expected the model's interpolation to be 'bicubic' or 'bilinear', found "
                f"{self.interpolation!r}; correct preprocess_cfg in its open_clip_config.json."
            )
            raise PriorError(msg)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], image_size: int | tuple[int, int]) -> Preprocessing:
        """Complete a configuration by open_clip's defaults, as its model factory does.

        Args:
            config: The ``preprocess_cfg`` of a model or a pretrained tag; missing entries take defaults.
            image_size: Input side, or height and width, of the model; overrides a size in `config`.
        """
        found = merge_preprocess_dict(PreprocessCfg(), dict(config))
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        # open_clip takes "random" for bicubic outside of training.
        interpolation = found["interpolation"]
        return cls(
            size=(height, width),
            mean=_channels(found["mean"]),
            std=_channels(found["std"]),
            interpolation="bicubic" if interpolation == "random" else interpolation,
            resize_mode=found["resize_mode"],
            fill_color=found["fill_color"],
        )

    def pil_transform(self) -> Callable[[Image.Image], Tensor]:
        """open_clip's evaluation transform: a PIL image to a normalised tensor ``(3, H, W)``."""
        config = PreprocessCfg(**asdict(self))
        return cast("Callable[[Image.Image], Tensor]", image_transform_v2(config, is_train=False))

    def pil_resize(self) -> Callable[[Image.Image], Image.Image]:
        """`pil_transform` without its last two steps, conversion to numbers and normalisation.

        What comes out is RGB of the model's input size; `normalize_pixels` does the rest for a whole batch.
        """
        *steps, _to_tensor, _normalize = cast("Compose", self.pil_transform()).transforms
        return cast("Callable[[Image.Image], Image.Image]", Compose(steps))


def resize_images(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Bring a batch to the model's input size the way the model's own preprocessing does.

    Args:
        images: Images in [0, 1], shape ``(B, 3, H, W)``.
        preprocessing: The model's preprocessing.

    Returns:
        Images in [0, 1], shape ``(B, 3, *preprocessing.size)``.
    """
    size, resize_mode = preprocessing.size, preprocessing.resize_mode
    height, width = images.shape[-2:]
    target = _resized_shape(height, width, size, resize_mode)
    if target != (height, width):
        # ResizeKeepRatio is given no interpolation for an input that is not square.
        keeps_default = resize_mode == "shortest" and size[0] != size[1]
        mode = "bicubic" if keeps_default else preprocessing.interpolation
        images = F.interpolate(images, target, mode=mode, align_corners=False, antialias=True)
    # Bicubic overshoots at edges; 8-bit images cannot.
    images = images.clamp(0.0, 1.0)
    cropped: Tensor = center_crop_or_pad(images, list(size), preprocessing.fill_color / 255)
    return cropped


def normalize_images(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Standardise the channels of a batch.

    Args:
        images: Images in [0, 1], shape ``(B, 3, H, W)``.
        mean: Mean of each channel, shape ``(3,)``.
        std: Standard deviation of each channel, shape ``(3,)``.

    >>> import torch
    >>> normalize_images(torch.ones(1, 1, 1, 1), torch.tensor([0.5]), torch.tensor([0.25])).item()
    2.0
    """
    return (images - mean[:, None, None]) / std[:, None, None]


def normalize_pixels(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """What `Preprocessing.pil_transform` does last, bit for bit, for a batch and on any device.

    Args:
        pixels: 8-bit images, channels last, shape ``(B, H, W, 3)``.
        mean: Mean of each channel, of images in [0, 1], shape ``(3,)``.
        std: Standard deviation of each channel, shape ``(3,)``.

    Returns:
        Float32 images, channels first, shape ``(B, 3, H, W)``.

    >>> import torch
    >>> white = torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)
    >>> normalize_pixels(white, torch.tensor([0.5]), torch.tensor([0.25])).item()
    2.0
    """
    white = mean.new_tensor(255.0)  # a tensor: CUDA multiplies by the rounded reciprocal of a plain number
    return normalize_images(pixels.permute(0, 3, 1, 2).contiguous() / white, mean, std)


def _resized_shape(height: int, width: int, size: tuple[int, int], resize_mode: str) -> tuple[int, int]:
    """Height and width that an image is resized to, before it is cropped or padded to `size`.

    Rounding follows torchvision's ``Resize`` (floor) for a square `size` and open_clip's
    ``ResizeKeepRatio`` (nearest) otherwise.

    >>> _resized_shape(48, 100, (32, 32), "shortest")
    (32, 66)
    >>> _resized_shape(48, 100, (32, 32), "longest")
    (15, 32)
    >>> _resized_shape(48, 100, (32, 32), "squash")
    (32, 32)
    """
    if resize_mode == "squash":
        return size
    if resize_mode == "shortest" and size[0] == size[1]:
        short, long = sorted((height, width))
        scaled = int(size[0] * long / short)
        return (scaled, size[0]) if height >= width else (size[0], scaled)
    choose = max if resize_mode == "longest" else min
    ratio = choose(height / size[0], width / size[1])
    return round(height / ratio), round(width / ratio)


def _channels(value: float | Iterable[float]) -> tuple[float, ...]:
    return (float(value),) * 3 if isinstance(value, int | float) else tuple(map(float, value))
