"""Training by `semdd fit`, timed while it is under way."""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.measuring import now
from benchmarks.training_task import TrainingTask
from semdd_lightning.experiment.semdd_cli import SemddCLI


def our_seconds(task: TrainingTask) -> float:
    """Train, and give the seconds of the passes that count."""
    callbacks = fitted(task).trainer.callbacks  # type: ignore[attr-defined]
    return next(callback.seconds for callback in callbacks if isinstance(callback, PassClock))


def fitted(task: TrainingTask) -> SemddCLI:
    """Train as `semdd fit` does, with a clock among the callbacks."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    config = task.write_config(f"{__name__}.{PassClock.__name__}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        return SemddCLI(["fit", "--config", str(config)])


class PassClock(Callback):
    """Takes the time from the end of some pass to the end of the last.

    Args:
        skipped: Passes before the clock starts, at least 1.
    """

    def __init__(self, skipped: int) -> None:
        self.skipped = skipped
        self.steps = 0
        self.started = 0.0
        self.seconds = math.nan

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - as Lightning has it
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Count a step."""
        self.steps += 1
        data = trainer.datamodule  # type: ignore[attr-defined]
        steps_a_pass = len(data.planner.batches)
        if self.steps == self.skipped * steps_a_pass:
            self.started = now()
        if self.steps == data.passes * steps_a_pass:
            self.seconds = now() - self.started
