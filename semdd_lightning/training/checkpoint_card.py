"""What a checkpoint says of itself: the network and its classes, and how it came to be, in plain values.

So nobody evaluates or learns from a network of other classes, and what it learnt travels with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from pydantic import ConfigDict, Field, with_config
from torch import nn

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import class_mapping
from semdd_lightning.data import ImageDataModule, PoolDataModule
from semdd_lightning.errors import ClassListError
from semdd_lightning.models import NormalizedNetwork
from semdd_lightning.records import RECORD


@with_config(RECORD | ConfigDict(extra="ignore"))
@dataclass(frozen=True)
class CheckpointCard:
    """The form of what a checkpoint says of itself, as far as somebody relies on it."""

    network: str | None
    num_classes: Annotated[int, Field(ge=1)]
    image_size: Annotated[int, Field(ge=1, le=4096)]
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


def checkpoint_card(
    network: NormalizedNetwork, name: str | None, num_classes: int, registry: ClassRegistry
) -> dict[str, Any]:
    """Plain values that rebuild a network and tell its classes.

    Args:
        network: the network with its normalisation.
        name: short name of its architecture; None where a config gave a class with arguments.
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
    """How the classes of a checkpoint differ from a registry, in words; None where they do not.

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


def training_history(trainer: Trainer, data: ImageDataModule, network: nn.Module) -> dict[str, Any]:
    """What a checkpoint says of its training.

    Args:
        trainer: the trainer, while it fits.
        data: the data module.
        network: what was trained, in the form that is evaluated.

    Returns:
        ``data`` (its source and the number of training images), ``recipe`` (optimiser, schedule, passes,
        batch size, augmentation), ``accuracy`` (of the last evaluation, empty before it) and ``sha256``
        of the weights.
    """
    source = data.pool if isinstance(data, PoolDataModule) else data.train
    images = data.split_sizes().get("train")
    used, measured = trainer.optimizers, trainer.callback_metrics
    return {
        "data": {"source": plain(source), "kind": type(source).__name__, "images": images},
        "recipe": {
            "optimizers": [{"name": type(one).__name__, **plain(one.defaults)} for one in used],
            "schedules": [type(config.scheduler).__name__ for config in trainer.lr_scheduler_configs],
            "passes": data.passes,
            "batch_size": data.batch_size,
            "augmentation": plain(data.augmentation),
        },
        "accuracy": {name: float(value) for name, value in measured.items() if "_top" in name},
        "sha256": weights_digest(network),
    }


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of a network: the names, types, shapes and bytes of its weights, in the order of the names.

    Resize and normalisation of each `NormalizedNetwork` count too: they are no weights, and change logits.
    """
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    for name, module in network.named_modules():
        if isinstance(module, NormalizedNetwork):
            constants = (module.mean.flatten().tolist(), module.std.flatten().tolist())
            digest.update(f"{name} {module.image_size} {constants}\n".encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(value: Any) -> Any:  # noqa: ANN401 - what a description may hold
    """A description as JSON and torch can hold it: dataclasses as mappings, other objects by their names."""
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return getattr(value, "__name__", type(value).__name__)
