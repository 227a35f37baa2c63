"""What a checkpoint says of itself, so that nobody evaluates or learns from a network of other classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, with_config

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.matching import class_mapping
from semdd_lightning.errors import ClassListError
from semdd_lightning.models import NormalizedNetwork
from semdd_lightning.records import RECORD, checked

MOST_PIXELS = 4096  # a side


@with_config(RECORD | ConfigDict(extra="ignore"))
@dataclass(frozen=True)
class CheckpointCard:
    """The form of what a checkpoint says of itself, as far as somebody relies on it."""

    network: str | None
    num_classes: Annotated[int, Field(ge=1)]
    image_size: Annotated[int, Field(ge=1, le=MOST_PIXELS)]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    class_names: tuple[str, ...]
    class_wnids: tuple[str, ...] | None
    training_images: str | None = None
    averaged: bool = False
    data: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    accuracy: dict[str, Any] = field(default_factory=dict)
    sha256: str | None = None
    teacher: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        wnids = self.class_names if self.class_wnids is None else self.class_wnids
        if not len(self.class_names) == len(wnids) == self.num_classes:
            msg = f"{len(self.class_names)} class names and {len(wnids)} wnids of {self.num_classes} classes"
            raise ValueError(msg)


def require_card(card: object) -> dict[str, Any]:
    """The card of a checkpoint, if it is one.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(card, dict):
        msg = "another: it says nothing of its network and classes"
        raise ValueError(msg)
    checked(card, CheckpointCard)
    return card


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
