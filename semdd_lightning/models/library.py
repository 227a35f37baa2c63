"""Networks of torchvision and timm, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.norms import BatchOrInstance, norm_layer, require_image_size, require_positive

TORCHVISION_NAMES: list[str] = torchvision.models.list_models(module=torchvision.models)  # its classifiers


class LibraryNetwork(nn.Module):
    """Holds a classifier of a library as `network`."""

    network: nn.Module

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images `(B, 3, S, S)` to logits `(B, C)`."""
        logits: Tensor = self.network(images)
        return logits


class TorchvisionNetwork(LibraryNetwork):
    """A classifier of torchvision, for configurations that name it with options; it holds it as `network`.

    Args:
        num_classes: Number of logits C.
        image_size: Height and width of the images, in pixels.
        name: Name in `torchvision.models`, such as resnet18, mobilenet_v2 or vit_b_16.
        weights: Name of pretrained weights, such as IMAGENET1K_V1 or DEFAULT (fetched once by torchvision),
            or None for a fresh network. Weights need `num_classes` to be that of their own head.
        norm: "batch" leaves the network as it is; "instance" replaces the batch norms of a ResNet by group
            norms of one channel a group (the ResNet-18 of Minimax Diffusion), for images of 33 px or more.

    Raises:
        NetworkError: If name, weights, norm, classes and size do not fit together.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        name: str = "resnet18",
        weights: str | None = None,
        norm: BatchOrInstance = "batch",
    ) -> None:
        super().__init__()
        self.network = torchvision_network(num_classes, image_size, name, weights, norm)


class TimmNetwork(LibraryNetwork):
    """A classifier of timm, for configurations that name it with options; it holds it as `network`.

    Args:
        num_classes: Number of logits C.
        image_size: Height and width of the images, in pixels.
        name: Name in timm, such as vit_tiny_patch16_224, or with the tag of its weights, such as
            resnet18.a1_in1k.
        pretrained: Whether to start from timm's weights (fetched once). A head of another size than
            `num_classes` starts afresh: for a subset of ImageNet's classes build all 1000 and use `cut_head`.

    Raises:
        NetworkError: If name, classes and size do not fit together.
    """

    def __init__(
        self, num_classes: int, image_size: int, name: str = "resnet18", pretrained: bool = False
    ) -> None:
        super().__init__()
        self.network = timm_network(num_classes, image_size, name, pretrained)


def torchvision_network(
    num_classes: int, image_size: int, name: str, weights: str | None = None, norm: BatchOrInstance = "batch"
) -> nn.Module:
    """Build torchvision's own module, so that its published weights load; see `TorchvisionNetwork`."""
    require_positive(num_classes=num_classes, image_size=image_size)
    if name not in TORCHVISION_NAMES:
        raise NetworkError(unknown_name("a torchvision network", name, TORCHVISION_NAMES))
    if weights is not None:
        trained = len(published_weights(name, weights).meta["categories"])
        if trained != num_classes:
            msg = (
                f"Expected num_classes to be the {trained} classes of {name}'s {weights} weights, found "
                f"{num_classes}; build it with {trained} and keep the rows you need with cut_head."
            )
            raise NetworkError(msg)
    options = _norm_options(name, image_size, norm)
    if name.startswith("vit_"):  # it and the next are built for one image size
        options["image_size"] = image_size
    if name.startswith("maxvit"):
        options["input_size"] = (image_size, image_size)
    if name in ("googlenet", "inception_v3"):  # their auxiliary heads would return more than logits
        options |= {"aux_logits": False, "init_weights": weights is None}
    build = partial(torchvision.models.get_model, name, weights=weights, num_classes=num_classes, **options)
    return _build_checked(build, f"torchvision/{name}", num_classes, image_size)


def timm_network(
    num_classes: int, image_size: int, name: str, pretrained: bool = False, weights_file: Path | None = None
) -> nn.Module:
    """Build timm's own module, so that its weights load, published or from a file; see `TimmNetwork`."""
    import timm  # takes seconds, and most students are not of timm

    require_positive(num_classes=num_classes, image_size=image_size)
    if not timm.is_model(name):
        raise NetworkError(unknown_name("a timm network", name, timm.list_models()))

    def build() -> nn.Module:
        card = timm.get_pretrained_cfg(name)
        options: dict[str, Any] = {}
        if card is not None and card.fixed_input_size:
            options["img_size"] = image_size
        if weights_file is not None:
            options["checkpoint_path"] = str(Path(weights_file).expanduser())
        made: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=num_classes, **options)
        return made

    return _build_checked(build, f"timm/{name}", num_classes, image_size)


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Write the message for an unknown name, with the known names that look like it.

    >>> unknown_name("a colour", "gren", ["blue", "green"])
    "Expected a colour, found 'gren'; close matches: green."
    """
    close = difflib.get_close_matches(name, list(known), n=5, cutoff=0.5)
    advice = f"close matches: {', '.join(close)}" if close else "no known name looks like it"
    return f"Expected {what}, found {name!r}; {advice}."


def published_weights(name: str, weights: str) -> WeightsEnum:
    """What torchvision publishes of a network: where the weights lie, and what it says of them.

    Args:
        name: Name in `torchvision.models`.
        weights: Name of the weights, such as IMAGENET1K_V1 or DEFAULT.

    Raises:
        NetworkError: If there are none of this name.
    """
    known = torchvision.models.get_model_weights(name)
    tag = weights.removeprefix(f"{known.__name__}.")
    if tag not in known.__members__:
        msg = f"Expected weights of {name}, found {weights!r}; use one of {', '.join(known.__members__)}."
        raise NetworkError(msg)
    return known[tag]


def _norm_options(name: str, image_size: int, norm: BatchOrInstance) -> dict[str, Any]:
    layer = norm_layer(norm)
    if norm == "batch":
        return {}
    if not name.startswith(("resnet", "resnext", "wide_resnet")):
        msg = f"Expected a ResNet for instance norm, found {name!r}; use norm batch."
        raise NetworkError(msg)
    # strides of 32 in all, rounded up: 32 px would end as one pixel
    require_image_size(f"{name} with instance norm", image_size, smallest=33)
    return {"norm_layer": layer}


def _build_checked(build: Callable[[], nn.Module], name: str, num_classes: int, image_size: int) -> nn.Module:
    """Build a network and send one blank image through it: the libraries find bad sizes as late as that."""
    try:
        network = build()
        was_training = network.training
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, 3, image_size, image_size))
        network.train(was_training)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        msg = (
            f"Expected {name} to fit num_classes={num_classes} and image_size={image_size}, "
            f"found: {error}; use another image size or network."
        )
        raise NetworkError(msg) from error
    if not isinstance(logits, Tensor) or logits.shape != (1, num_classes):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        msg = f"Expected {name} to return logits (1, {num_classes}), found {found}; use a classifier."
        raise NetworkError(msg)
    return network
