"""Normalisation layers by name, and the sizes that they and a network need."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import nn

from semdd_lightning.errors import NetworkError

Norm = Literal["batch", "instance", "layer", "group", "none"]
BatchOrInstance = Literal["batch", "instance"]
NormLayer = Callable[[int], nn.Module]

GROUPS = 4  # as in the code of dataset condensation (Zhao & Bilen 2021)


def build_norm(norm: Norm, channels: int, side: int = 0) -> nn.Module:
    """Build the normalisation layer of a feature map.

    Args:
        norm: "batch"; "instance" (a `GroupNorm(C, C)`: affine, without running statistics); "layer" (over
            channels and positions, affine by element); "group" (4 groups); or "none".
        channels: Channels C of the feature map `(B, C, side, side)`.
        side: Height and width of the feature map, in pixels; used by "layer" only.

    Raises:
        NetworkError: If the name is unknown or the channels cannot be split into groups.
    """
    if norm == "group" and channels % GROUPS:
        msg = f"Expected a width divisible by {GROUPS} for group norm, found {channels}; change the width."
        raise NetworkError(msg)
    layers: dict[Norm, Callable[[], nn.Module]] = {
        "batch": lambda: nn.BatchNorm2d(channels),
        "instance": lambda: nn.GroupNorm(channels, channels),
        "layer": lambda: nn.LayerNorm([channels, side, side]),
        "group": lambda: nn.GroupNorm(GROUPS, channels),
        "none": nn.Identity,
    }
    if norm not in layers:
        msg = f"Expected norm to be batch, instance, layer, group or none, found {norm!r}; use one of these."
        raise NetworkError(msg)
    return layers[norm]()


def norm_layer(norm: BatchOrInstance) -> NormLayer:
    """Return what makes the norm of so many channels, as the argument of that name of torchvision's ResNets.

    Raises:
        NetworkError: If the name is neither "batch" nor "instance".
    """
    if norm not in ("batch", "instance"):
        msg = f"Expected norm to be batch or instance, found {norm!r}; use one of these."
        raise NetworkError(msg)
    return partial(build_norm, norm)


def require_positive(**sizes: int) -> None:
    """Check that every named size is at least 1.

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

    Raises:
        NetworkError: Naming the smallest image size that works.
    """
    if image_size < smallest:
        msg = (
            f"Expected image_size of at least {smallest} for {network}, found {image_size}; "
            "use larger images or a network that downsamples less."
        )
        raise NetworkError(msg)
