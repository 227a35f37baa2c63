"""What a data module asks of its trainer, with an answer also where it has none."""

from __future__ import annotations

from typing import Any, cast

import torch
from lightning.pytorch import Trainer


def process_of(trainer: Trainer | None) -> tuple[int, int]:
    """Rank of this process and number of processes."""
    return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)


def device_of(trainer: Trainer | None) -> torch.device:
    """The device that this process trains on."""
    return torch.device("cpu") if trainer is None else trainer.strategy.root_device


def local_ranks_of(trainer: Trainer | None) -> int:
    """Processes of this machine."""
    return 1 if trainer is None else max(1, trainer.num_devices)


def batches_done(trainer: Trainer | None) -> int:
    """Batches of this epoch that a checkpoint within it counts, where training goes on from one."""
    if trainer is None:
        return 0
    loop = trainer.fit_loop
    epochs = cast("Any", loop.epoch_progress.current)  # of a class that Lightning types too widely
    within = epochs.started > epochs.processed
    return loop.epoch_loop.batch_progress.current.ready if within else 0
