"""Short names of networks: a factory over ours, torchvision and timm, and a config's spelling undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, signature
from typing import Any, TypeAlias

from torch import nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.convnet import ConvNet
from semdd_lightning.models.library import timm_network, torchvision_names, torchvision_network, unknown_name
from semdd_lightning.models.norms import require_positive
from semdd_lightning.models.resnet_ap import ResNetAP
from semdd_lightning.models.resnet_cifar import ResNet18Modified, ResNetModified

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
"""Short name to factory; `register_network` adds to it."""
OTHER_SPELLINGS = {"resnet18_modified": partial(ResNetModified, depth=18)}


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


def register_network(name: str, factory: NetworkFactory) -> None:
    """Give a network a short name.

    Args:
        name: A new name, without a slash, that torchvision does not use.
        factory: Makes the network from (num_classes, image_size).

    Raises:
        NetworkError: If the name is taken or has a slash.
    """
    if name in NETWORKS or name in torchvision_names():
        msg = f"Expected a new network name, found {name!r}, which is taken; choose another name."
        raise NetworkError(msg)
    if not name or "/" in name:
        msg = f"Expected a network name without slashes, found {name!r}; these are kept for libraries."
        raise NetworkError(msg)
    NETWORKS[name] = factory


def _find_factory(name: str) -> NetworkFactory:
    if name in NETWORKS:
        return NETWORKS[name]
    library, slash, rest = name.partition("/")
    if slash and library == "torchvision":
        return partial(torchvision_network, name=rest)
    if slash and library == "timm":
        return partial(timm_network, name=rest)
    if name in torchvision_names():
        return partial(torchvision_network, name=name)
    short = ", ".join(NETWORKS)
    what = f"a network to be one of {short}, a torchvision name, torchvision/<name> or timm/<name>"
    raise NetworkError(unknown_name(what, name, [*NETWORKS, *torchvision_names()]))


def short_name(name: str, arguments: Mapping[str, Any]) -> str:
    """What a network is called in the field.

    Args:
        name: a short name, ``torchvision/NAME``, ``timm/NAME``, or a class.
        arguments: what the class is given; those that are left out have its defaults.

    Returns:
        A name of `NETWORKS`, torchvision or timm; a class that has none as it was given.

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
    for short, factory in [*NETWORKS.items(), *OTHER_SPELLINGS.items()]:
        network: Any = factory.func if isinstance(factory, partial) else factory
        own = factory.keywords if isinstance(factory, partial) else {}
        if network.__name__ == class_name and _filled(network, own) == _filled(network, arguments):
            return short
    return name.rpartition("/")[2]


def _filled(network: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a class or function
    """The arguments with the defaults of those that are left out."""
    parameters = signature(network).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not Parameter.empty} | dict(arguments)
