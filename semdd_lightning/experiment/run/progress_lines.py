"""The progress of a training: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from semdd_lightning.names import get_logger
from semdd_lightning.progress import SECONDS
from semdd_lightning.training.progress import steps_done, training_done

logger = get_logger(__name__)


class ProgressBar(RichProgressBar):
    """Rich progress without the logger's version number, which says nothing here."""

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What stands behind the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class ProgressLines(Callback):
    """Says how far training is, in a log that somebody may follow.

    Args:
        seconds: least time from one line to the next.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._began = self._said = 0.0
        self._first: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Time begins."""
        self._began = self._said = time.monotonic()
        self._first = None

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - as Lightning has it
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Say it, if it is time."""
        now = time.monotonic()
        steps = steps_done(trainer)
        if self._first is None:
            self._first = steps - 1  # of a resumed training, not 0
        if not trainer.is_global_zero or now - self._said < self.seconds:
            return
        self._said = now
        done = training_done(trainer, trainer.datamodule)  # type: ignore[attr-defined]
        left = (now - self._began) / (steps - self._first) * (done.planned_steps - steps)
        logger.info(
            "Training: pass %d of %d, %s since it began, about %s to go",
            done.passes,
            done.planned_passes,
            timedelta(seconds=round(now - self._began)),
            timedelta(seconds=round(left)),
        )
