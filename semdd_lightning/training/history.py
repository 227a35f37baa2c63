"""How a network came to be, in plain values that travel with its checkpoint: data, recipe, accuracy, hash."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import nn

from semdd_lightning.data import ImageDataModule, PoolDataModule
from semdd_lightning.models import NormalizedNetwork


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
    return {
        "data": {
            "source": plain(data.pool if isinstance(data, PoolDataModule) else data.train),
            "kind": type(data.pool if isinstance(data, PoolDataModule) else data.train).__name__,
            "images": data.split_sizes().get("train"),
        },
        "recipe": {
            "optimizers": [
                {"name": type(optimizer).__name__, **plain(optimizer.defaults)}
                for optimizer in trainer.optimizers
            ],
            "schedules": [type(config.scheduler).__name__ for config in trainer.lr_scheduler_configs],
            "passes": data.passes,
            "batch_size": data.batch_size,
            "augmentation": plain(data.augmentation),
        },
        "accuracy": {
            name: float(value) for name, value in trainer.callback_metrics.items() if "_top" in name
        },
        "sha256": weights_digest(network),
    }


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of a network: the names, types, shapes and bytes of its weights, in the order of the names.

    Resize and normalisation of each `NormalizedNetwork` count too: they are no weights, and change logits.

    Examples:
        >>> layer = nn.Linear(1, 1)
        >>> before = weights_digest(layer)
        >>> _ = layer.weight.data.add_(1)
        >>> (len(before), before == weights_digest(layer))
        (64, False)
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
