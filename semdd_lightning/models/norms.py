"""Normalisation layers by name, and the sizes that they and a network need."""

from __future__ import annotations

from typing import Literal

from torch import nn

from semdd_lightning.errors import NetworkError

Norm = Literal["batch", "instance", "layer", "group", "none"]
BatchOrInstance = Literal["batch", "instance"]

GROUPS = 4
"""Groups of the "group" norm, as in the code of dataset condensation (Zhao & Bilen 2021)."""


def build_norm(norm: Norm, channels: int, side: int) -> nn.Module:
    """Build the normalisation layer of a feature map.

    Args:
        norm: "batch"; "instance" (a `GroupNorm(C, C)`: affine, without running statistics); "layer" (over
            channels and positions, affine by element); "group" (4 groups); or "none".
        channels: Channels C of the feature map `(B, C, side, side)`.
        side: Height and width of the feature map, in pixels; used by "layer" only.

    Raises:
        NetworkError: If the name is unknown or the channels cannot be split into groups.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "instance":
        return InstanceNorm(channels)
    if norm == "layer":
        return nn.LayerNorm([channels, side, side])
    if norm == "group":
        if channels % GROUPS:
            msg = (
                f"Expected a width divisible by {GROUPS} for group norm, found {channels}; change the width."
            )
            raise NetworkError(msg)
        return nn.GroupNorm(GROUPS, channels)
    if norm == "none":
        return nn.Identity()
    msg = f"Expected norm to be batch, instance, layer, group or none, found {norm!r}; use one of these."
    raise NetworkError(msg)


def norm_layer(norm: BatchOrInstance) -> type[nn.Module] | None:
    """Return what the `norm_layer` argument of torchvision's ResNets needs; None is their BatchNorm.

    Raises:
        NetworkError: If the name is neither "batch" nor "instance".
    """
    if norm not in ("batch", "instance"):
        msg = f"Expected norm to be batch or instance, found {norm!r}; use one of these."
        raise NetworkError(msg)
    return InstanceNorm if norm == "instance" else None


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation: a group norm of one channel a group, affine, the same in train and eval.

    Args:
        channels: Channels C of the feature map `(B, C, H, W)`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)


def require_positive(**sizes: int) -> None:
    """Check that every named size is at least 1.

    >>> require_positive(num_classes=10, image_size=32)

    Raises:
        NetworkError: Naming the first size that is not.
    """
    for name, size in sizes.items():
        if size < 1:
            msg = f"Expected {name} to be at least 1, found {size}; give a positive number."
            raise NetworkError(msg)


def require_image_size(network: str, image_size: int, smallest: int) -> None:
    """Check that the images are large enough for a network.

    With instance norm the last feature map needs more than one pixel: the norm maps a plane of one pixel to
    its bias, whatever the pixel, so the logits would be constant.

    >>> require_image_size("ResNetAP", image_size=32, smallest=16)

    Raises:
        NetworkError: Naming the smallest image size that works.
    """
    if image_size < smallest:
        msg = (
            f"Expected image_size of at least {smallest} for {network}, found {image_size}; "
            "use larger images or a network that downsamples less."
        )
        raise NetworkError(msg)
