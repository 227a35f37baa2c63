"""What a checkpoint says of itself, so that nobody evaluates or learns from a network of other classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.class_matching import class_mapping
from semdd_lightning.errors import ClassListError
from semdd_lightning.models import NormalizedNetwork


def checkpoint_card(
    network: NormalizedNetwork, name: str | None, num_classes: int, registry: ClassRegistry
) -> dict[str, Any]:
    """Plain values that rebuild a network and tell its classes.

    Args:
        network: the network with its normalisation.
        name: short name of its architecture; none where a config gave a class with arguments.
        num_classes: number of logits.
        registry: the classes in the order of the logits.
    """
    return {
        "network": name,
        "num_classes": num_classes,
        "image_size": network.image_size,
        "mean": tuple(network.mean.flatten().tolist()),
        "std": tuple(network.std.flatten().tolist()),
        "class_names": list(registry.names),
        "class_wnids": None if registry.wnids is None else list(registry.wnids),
    }


def class_order_difference(card: dict[str, Any], registry: ClassRegistry) -> str | None:
    """How the classes of a checkpoint differ from a registry, in words; none where they do not.

    Classes are matched by wnid where both know it, else by name.
    """
    names, wnids = tuple(card["class_names"]), card.get("class_wnids")
    found = ClassRegistry(names=names, folders=names, wnids=None if wnids is None else tuple(wnids))
    try:
        mapping = class_mapping(found, registry)
    except ClassListError:
        own, expected = (", ".join(some[:3]) for some in (names, registry.names))
        return f"its {len(names)} classes ({own}, ...) are not the data's {len(registry)} ({expected}, ...)"
    moved = np.flatnonzero(mapping != np.arange(len(mapping)))
    if len(moved) == 0:
        return None
    first = int(moved[0])
    return (
        f"they differ from class {first} on: it counts {names[first]!r} there, "
        f"the data {registry.names[first]!r}"
    )
