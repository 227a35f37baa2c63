"""The short name of a network, however a config spells it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import Parameter, signature
from typing import Any

from semdd_lightning.models.registry import NETWORKS
from semdd_lightning.models.resnet_cifar import ResNetModified

OTHER_SPELLINGS = {"resnet18_modified": partial(ResNetModified, depth=18)}


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
