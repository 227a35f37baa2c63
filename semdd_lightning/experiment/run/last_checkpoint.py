"""The checkpoint of a run, as often as it is cheap, and the metrics file that goes on with it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from semdd_lightning.atomic import writing
from semdd_lightning.experiment.process import current
from semdd_lightning.experiment.run.directory import CHECKPOINT

SECONDS = 10.0  # between two checkpoints, at least
FIRST = 2.0  # seconds until the first, which shows what one costs
SHARE = 0.02  # of the time that checkpoints may take


class LastCheckpoint(ModelCheckpoint):
    """Keeps ``last.ckpt`` of a run, for whoever goes on with it or takes its student as a teacher.

    A step of a distilled set can be far shorter than it takes to write a network with its optimiser, and an
    epoch of a large one takes minutes; so the clock says when it is time, at the end of a step. Several
    processes ask each other, once per pass.

    Args:
        directory: where it goes (default: the trainer's choice).
        seconds: least time between two checkpoints of a training under way; the first may come earlier.
    """

    def __init__(self, directory: Path | None, seconds: float = SECONDS) -> None:
        super().__init__(
            dirpath=directory,
            filename=Path(CHECKPOINT).stem,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.seconds = seconds
        self._due = 0.0
        self._before: dict[str, Any] = {}  # of a run that goes on
        self._epoch_ends = False
        self._requeue: Callable[[], None] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Time begins, and random numbers go on where they stopped."""
        super().on_train_start(trainer, pl_module)
        self._put_signals_off()
        self._due = time.monotonic() + min(FIRST, self.seconds)
        if random := self._before.get("random"):
            torch.set_rng_state(random["cpu"])
            if len(random["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(random["cuda"])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Write it if it is time, or if the run is to stop here; the last step leaves it to the epoch."""
        done = batch_idx + 1
        if done % trainer.accumulate_grad_batches or done == trainer.num_training_batches:
            return
        steps = len(trainer.datamodule.planner.batches)  # type: ignore[attr-defined]
        if trainer.world_size > 1 and done % steps:
            return
        self._write_if_due(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it if it is time, or the last epoch."""
        self._epoch_ends = True
        if trainer.current_epoch + 1 == trainer.max_epochs:
            self._due = 0.0
        self._write_if_due(trainer, pl_module)
        self._epoch_ends = False

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it where training stopped before its last epoch; nothing new is written twice."""
        self._write(trainer, pl_module)
        super().on_train_end(trainer, pl_module)
        current().raise_if_received()
        current().waits = False

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """To look at a split can take longer than a signal has time; the last checkpoint is there."""
        if trainer.state.fn == "fit":
            current().raise_if_received()
            current().waits = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training goes on."""
        super().on_validation_end(trainer, pl_module)
        current().waits = trainer.state.fn == "fit"

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Have one, too, where nothing was left to train of the checkpoint that a run began with."""
        file = Path(str(self.dirpath)) / CHECKPOINT
        begun = trainer.ckpt_path is not None and not trainer.fast_dev_run  # type: ignore[attr-defined]
        if begun and not trainer.strategy.broadcast(file.exists()):
            trainer.save_checkpoint(file)

    def _write_if_due(self, trainer: Trainer, pl_module: LightningModule) -> None:
        asked = [time.monotonic() >= self._due, current().received is not None, self._requeue is not None]
        if trainer.world_size > 1:
            asked = [trainer.strategy.reduce_boolean_decision(one, all=False) for one in asked]
        due, stopped, requeued = asked
        if due or stopped:
            self._write(trainer, pl_module)
        if requeued and self._requeue is not None:
            self._requeue()
            self._requeue = None
        if stopped:
            current().leave()

    def _write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        started = time.monotonic()
        super().on_train_epoch_end(trainer, pl_module)
        ended = time.monotonic()
        self._due = ended + max(self.seconds, (ended - started) / SHARE)

    def _put_signals_off(self) -> None:
        """Look at signals where a step has ended, not in its midst, where state is torn.

        Lightning hears SIGTERM in its own way, with a collective wherever a process happens to be, and saves
        in the midst of a step when SLURM announces the end of a job's time.
        """
        current().waits = True
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, signal.SIG_DFL):
            signal.signal(signal.SIGTERM, current().handle)
        requeue = signal.getsignal(signal.SIGUSR1)
        if SLURMEnvironment.detect() and callable(requeue):

            def later(signum: int, frame: FrameType | None) -> None:
                self._requeue = partial(requeue, signum, None)

            signal.signal(signal.SIGUSR1, later)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what a run needs that ends with the numbers of an undisturbed one."""
        cuda = torch.cuda.get_rng_state_all() if trainer.strategy.root_device.type == "cuda" else []
        checkpoint["semdd_run"] = {
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
            "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
            "rows": self._rows(trainer),
        }

    def _rows(self, trainer: Trainer) -> list[dict[str, float]]:
        """Those of the metrics file, and that of this epoch, which is written after the checkpoint."""
        file = _metrics_file(trainer)
        rows = [] if file is None else list(file.rows)
        if file is not None and self._epoch_ends:
            logged = {name: float(value) for name, value in trainer._logger_connector.metrics["log"].items()}
            rows.append({**logged, "epoch": trainer.current_epoch, "step": trainer.global_step - 1})
        return rows

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take them up; a checkpoint of before has none."""
        if trainer.state.fn == "fit":
            self._before = checkpoint.get("semdd_run", {})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Metrics of the epochs before stay known, whether or not one is left to train."""
        known = {name: torch.tensor(value) for name, value in self._before.get("metrics", {}).items()}
        trainer.callback_metrics.update(known)
        if (file := _metrics_file(trainer)) is not None:
            file.take_up(self._before.get("rows", []))


class MetricsFile(CSVLogger):
    """Lightning's metrics in a run's file, and in memory for its checkpoint; a disk that refuses is named."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, name="", version="metrics")
        self.rows: list[dict[str, float]] = []

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Write a row."""
        at = {} if step is None else {"step": float(step)}
        self.rows.append({name: float(value) for name, value in metrics.items()} | at)
        super().log_metrics(metrics, step)

    @rank_zero_only
    def take_up(self, rows: list[dict[str, float]]) -> None:
        """Begin with the rows of before."""
        for row in rows:
            values = {name: int(value) if name == "epoch" else value for name, value in row.items()}
            step = values.pop("step", None)
            self.log_metrics(values, None if step is None else int(step))
        self.save()

    def save(self) -> None:
        """Write what came since it was last written."""
        with writing(Path(self.log_dir)):
            super().save()


def _metrics_file(trainer: Trainer) -> MetricsFile | None:
    return next((logger for logger in trainer.loggers if isinstance(logger, MetricsFile)), None)
