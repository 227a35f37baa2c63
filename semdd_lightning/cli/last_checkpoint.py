"""The checkpoint of a run: written when training ends, and before that no more often than it pays."""

from __future__ import annotations

import time
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

SECONDS = 30.0  # of training that a killed run loses at most, besides the epoch it is in


class LastCheckpoint(ModelCheckpoint):
    """Keeps ``last.ckpt`` of a run, for whoever resumes it or takes its student as a teacher.

    An epoch of a distilled set can be shorter than it takes to write a network with its optimiser.

    Args:
        directory: where it goes; none lets the trainer choose.
        seconds: least time between two checkpoints of a training under way.
    """

    def __init__(self, directory: Path | None, seconds: float = SECONDS) -> None:
        super().__init__(
            dirpath=directory, filename="last", save_on_train_epoch_end=True, enable_version_counter=False
        )
        self.seconds = seconds
        self._written = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Time begins."""
        super().on_train_start(trainer, pl_module)
        self._written = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it if it is time, or the last epoch."""
        due = time.monotonic() - self._written >= self.seconds
        if trainer.current_epoch + 1 == trainer.max_epochs or trainer.strategy.broadcast(due):
            super().on_train_epoch_end(trainer, pl_module)
            self._written = time.monotonic()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it where training stopped before its last epoch; nothing new is written twice."""
        super().on_train_epoch_end(trainer, pl_module)
        super().on_train_end(trainer, pl_module)
