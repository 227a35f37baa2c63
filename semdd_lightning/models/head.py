"""The last linear layer of a classifier: its size, and cutting it to some of its classes."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.library import TimmNetwork, TorchvisionNetwork
from semdd_lightning.models.normalized import NormalizedNetwork


def classes_of_head(network: nn.Module) -> int:
    """Return the number of logits that the last linear layer of a classifier makes.

    >>> from semdd_lightning.models.convnet import ConvNet
    >>> classes_of_head(ConvNet(10, 8, depth=1, width=4))
    10

    Raises:
        NetworkError: If the layer cannot be found.
    """
    return _find_head(network).out_features


def cut_head(network: nn.Module, class_indices: Sequence[int]) -> nn.Module:
    """Copy a classifier, keeping only some classes of its last linear layer.

    Cuts, say, a 1000-way ImageNet teacher to the ten classes of a subset: logit k of the copy is logit
    `class_indices[k]` of the network, exactly.

    Args:
        network: A classifier of this package, torchvision or timm that ends in a linear layer, or a
            `NormalizedNetwork` around one. It is not changed.
        class_indices: Distinct rows to keep, in the order of the new logits, each in [0, C).

    Raises:
        NetworkError: If the last layer cannot be found, or the indices do not fit it.
    """
    _check_indices(class_indices, classes_of_head(network))
    cut = copy.deepcopy(network)
    head = _find_head(cut)
    rows = torch.as_tensor(list(class_indices), device=head.weight.device)
    head.weight = _rows(head.weight, rows)
    if head.bias is not None:
        head.bias = _rows(head.bias, rows)
    head.out_features = len(rows)
    return cut


def _rows(parameter: Tensor, rows: Tensor) -> nn.Parameter:
    return nn.Parameter(parameter.detach()[rows], requires_grad=parameter.requires_grad)


def _find_head(network: nn.Module) -> nn.Linear:
    if isinstance(network, NormalizedNetwork | TorchvisionNetwork | TimmNetwork):
        return _find_head(network.network)
    for candidate in _candidates(network):
        if isinstance(candidate, nn.Linear):
            return candidate
    msg = (
        "Expected a classifier with a linear last layer (fc, classifier, heads.head, head or timm's "
        f"get_classifier()), found {type(network).__name__}; use another teacher."
    )
    raise NetworkError(msg)


def _candidates(network: nn.Module) -> list[object]:
    """Modules that may be the head, by the conventions of timm and torchvision."""
    get_classifier = getattr(network, "get_classifier", None)
    if callable(get_classifier):
        return [get_classifier()]
    found: list[object] = []
    for name in ("fc", "classifier", "heads", "head"):
        module = getattr(network, name, None)
        if isinstance(module, nn.Sequential) and len(module):
            module = module[-1]
        found.append(module)
    return found


def _check_indices(class_indices: Sequence[int], num_classes: int) -> None:
    if len(class_indices) == 0:
        msg = f"Expected at least one of {num_classes} classes to keep, found none; name the rows to keep."
        raise NetworkError(msg)
    outside = [index for index in class_indices if not 0 <= index < num_classes]
    if outside:
        msg = (
            f"Expected class indices in [0, {num_classes}), found {outside[0]}; "
            "check the teacher indices of the class list."
        )
        raise NetworkError(msg)
    if len(set(class_indices)) != len(class_indices):
        twice = next(index for index in class_indices if list(class_indices).count(index) > 1)
        msg = f"Expected distinct class indices, found {twice} twice; name every row once."
        raise NetworkError(msg)
