"""Short names of networks: a factory over ours, torchvision and timm, and a config's spelling undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, signature
from typing import Any, TypeAlias

from torch import nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.convnet import ConvNet
from semdd_lightning.models.library import TORCHVISION_NAMES, timm_network, torchvision_network, unknown_name
from semdd_lightning.models.norms import require_positive
from semdd_lightning.models.resnets import ResNet18Modified, ResNetAP, ResNetModified

NetworkFactory: TypeAlias = Callable[[int, int], nn.Module]
"""Makes a network from (num_classes, image_size)."""

NETWORKS: dict[str, NetworkFactory] = {
    **{f"conv{depth}": partial(ConvNet, depth=depth) for depth in range(3, 7)},
    **{f"conv{depth}_instance": partial(ConvNet, depth=depth, norm="instance") for depth in range(3, 7)},
    "resnet18_modified": ResNet18Modified,
    "resnet50_modified": partial(ResNetModified, depth=50),
    "resnet101_modified": partial(ResNetModified, depth=101),
    "resnet18_instance": partial(torchvision_network, name="resnet18", norm="instance"),
    "resnetap10": ResNetAP,
}
"""Short name to factory."""


def build_network(network: str | NetworkFactory, num_classes: int, image_size: int) -> nn.Module:
    """Build a network that maps normalised images `(B, 3, S, S)` to logits `(B, C)`.

    Args:
        network: A short name of `NETWORKS`, a name of torchvision (bare, or as torchvision/<name>), a name of
            timm as timm/<name>, or a factory of (num_classes, image_size).
        num_classes: Number of logits C, at least 1.
        image_size: Side S of the images, in pixels, at least 1.

    >>> type(build_network("conv3", num_classes=10, image_size=32)).__name__
    'ConvNet'

    Raises:
        NetworkError: If the name is unknown, or the network does not fit the classes and the image size.
    """
    require_positive(num_classes=num_classes, image_size=image_size)
    factory = _find_factory(network) if isinstance(network, str) else network
    built = factory(num_classes, image_size)
    if not isinstance(built, nn.Module):
        msg = f"Expected the network factory to return an nn.Module, found {type(built).__name__}; mend it."
        raise NetworkError(msg)
    return built


def _find_factory(name: str) -> NetworkFactory:
    if name in NETWORKS:
        return NETWORKS[name]
    if name.startswith("timm/"):
        return partial(timm_network, name=name.removeprefix("timm/"))
    if name.startswith("torchvision/") or name in TORCHVISION_NAMES:
        return partial(torchvision_network, name=name.removeprefix("torchvision/"))
    short = ", ".join(NETWORKS)
    what = f"a network to be one of {short}, a torchvision name, torchvision/<name> or timm/<name>"
    raise NetworkError(unknown_name(what, name, [*NETWORKS, *TORCHVISION_NAMES]))


def short_name(name: str, arguments: Mapping[str, Any]) -> str:
    """What a network is called in the field: a name of `NETWORKS`, torchvision or timm, else its class.

    Args:
        name: a short name, ``torchvision/NAME``, ``timm/NAME``, or a class.
        arguments: what the class is given; those that are left out have its defaults.

    Examples:
        >>> short_name("torchvision/resnet18", {}), short_name("semdd_lightning.models.ConvNet", {"depth": 4})
        ('resnet18', 'conv4')
        >>> short_name("TorchvisionNetwork", {"name": "vgg11"}), short_name("ConvNet", {"width": 64})
        ('vgg11', 'ConvNet')
    """
    class_name = name.rpartition(".")[2]
    if class_name in ("TorchvisionNetwork", "TimmNetwork"):
        instance = arguments.get("norm") == "instance"
        return f"{arguments.get('name', 'resnet18')}{'_instance' if instance else ''}"
    others: dict[str, NetworkFactory] = {"resnet18_modified": partial(ResNetModified, depth=18)}
    for short, factory in [*NETWORKS.items(), *others.items()]:
        made: Any = partial(factory)  # of a partial one it is the same partial one
        network = made.func
        if network.__name__ == class_name and _filled(network, made.keywords) == _filled(network, arguments):
            return short
    return name.rpartition("/")[2]


def _filled(network: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a class or function
    """The arguments with the defaults of those that are left out."""
    parameters = signature(network).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not Parameter.empty} | dict(arguments)
