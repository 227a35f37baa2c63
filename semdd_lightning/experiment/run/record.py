"""Keeps the books of a run: selection, times, accuracies, and the table at the end."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from semdd_lightning.audit import audit_outcome
from semdd_lightning.data import ImageDataModule, PoolDataModule
from semdd_lightning.errors import RunError
from semdd_lightning.experiment.run.directory import SHEET, environment
from semdd_lightning.experiment.run.measured import LIMITS, ImagesSeen, forget_peak, peak_bytes
from semdd_lightning.experiment.run.metrics_file import MetricsFile
from semdd_lightning.experiment.run.pictures import write_pictures
from semdd_lightning.experiment.run.result import RESULT, RunResult
from semdd_lightning.names import get_logger
from semdd_lightning.prior import prior_in_words
from semdd_lightning.records import write_record
from semdd_lightning.report import log_selection, statistics_record
from semdd_lightning.selection import sampler_word
from semdd_lightning.training import BestOfEvaluations, StoredLabels, TrainingDone, training_done
from semdd_lightning.training.progress import trial_steps

logger = get_logger(__name__)


class RunRecord(Callback):
    """Writes the selection when it is made, and the result when the run ends.

    Args:
        directory: the run directory; none on ranks other than 0, which learn it from rank 0.
        command: the command that runs.
        configs: names of the config files.
        overrides: options given beside them.
        protocol: name of the evaluation protocol.
    """

    def __init__(
        self,
        directory: Path | None,
        command: str,
        configs: list[str],
        overrides: list[str],
        protocol: str | None = None,
    ) -> None:
        self.directory = directory
        place = None if directory is None else str(directory)
        self.result = RunResult(command, configs, place, overrides, protocol=protocol)
        self.seen = ImagesSeen()
        self._trained: TrainingDone | None = None
        self._quirks: list[str] = []
        self._started = 0.0
        self._trained_before = 0.0  # seconds
        forget_peak()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Export the selection as soon as it is made."""
        self.directory = trainer.strategy.broadcast(self.directory)
        data = trainer.datamodule  # type: ignore[attr-defined]
        if stage != "fit" or not trainer.is_global_zero or self.directory is None:
            return
        self.result.student = getattr(pl_module, "network_name", None) or _class_name(pl_module)
        self.result.labels = getattr(pl_module, "label_record", None)
        if isinstance(getattr(pl_module, "teacher", None), StoredLabels):
            self.result.replay_seed = data.drawing_seed
        if isinstance(data, PoolDataModule) and data.selected is not None:
            self._export(data)
            loggers = [logger for logger in trainer.loggers if not isinstance(logger, MetricsFile)]
            log_selection(loggers, self.result.selection, self.directory / SHEET)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training time begins."""
        self._started = time.perf_counter()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training time ends; keep the last validation accuracies."""
        self.result.seconds["train"] = self._trained_before + time.perf_counter() - self._started
        self._keep_metrics(trainer)
        self.result.teacher = getattr(pl_module, "teacher_card", None)
        self.result.quirks = self._quirks = list(getattr(pl_module, "quirks", []))
        self._trained = training_done(trainer, trainer.datamodule)  # type: ignore[attr-defined]

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note how long this took."""
        checkpoint["trained_seconds"] = self._trained_before + time.perf_counter() - self._started

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Training that goes on takes as long as all its parts."""
        self._trained_before = checkpoint.get("trained_seconds", 0.0)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test time begins."""
        self._started = time.perf_counter()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test time ends."""
        self.result.seconds["test"] = time.perf_counter() - self._started
        self._keep_metrics(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep validation accuracies, unless they are of a trial before training."""
        if not trainer.sanity_checking:
            self._keep_metrics(trainer)

    def write_result(self, trainer: Trainer) -> None:
        """Write ``result.json``.

        Raises:
            RunError: if an accuracy is not a finite number.
        """
        data = trainer.datamodule  # type: ignore[attr-defined]
        self._say_what_was_done(trainer, data)
        wrong = {name: value for name, value in self.result.metrics.items() if not math.isfinite(value)}
        if wrong:  # on every rank, so that none goes on to the test alone
            msg = f"Expected finite metrics, found {wrong}; lower the learning rate or look at the images."
            raise RunError(msg)
        if not trainer.is_global_zero or self.directory is None:
            return
        if isinstance(data, PoolDataModule) and data.selected is not None:
            later = getattr(trainer.lightning_module, "audit", None)  # the teacher's vote beside CLIP's
            audit = later or data.selected.audit
            self.result.audit = None if audit is None else audit_outcome(data.selected.pool, audit)
        self.result.environment = environment()
        self.result.peak_memory_bytes = peak_bytes(trainer.strategy.root_device)
        write_record(self.directory / RESULT, asdict(self.result))

    def _say_what_was_done(self, trainer: Trainer, data: ImageDataModule) -> None:
        """Passes, images and words of the result, by what the trainer did and not by what was asked."""
        result, done = self.result, self._trained or getattr(trainer.lightning_module, "trained", None)
        result.evaluated = dict(self.seen.images)
        if done is not None:
            result.passes, result.training = done.passes, asdict(done)
            result.measured = {
                split: done.moment(steps or done.steps) for split, steps in self.seen.steps.items()
            }
        asked = {"fit": "test", "validate": "validation"}.get(result.command, result.command)
        sizes = data.split_sizes()
        splits = [
            split for split in LIMITS if split in self.seen.images or (split == asked and split in sizes)
        ]
        found = [self.seen.shortfall(split, sizes[split], trainer) for split in splits]
        result.cut_short = [text for text in (done and done.shortfall, *found) if text]
        self._keep_best(trainer)
        if trial := trial_steps(trainer):
            result.cut_short = [f"a trial without an accuracy: fast_dev_run={trial}"]
            result.metrics, result.best = {}, None

    def _keep_best(self, trainer: Trainer) -> None:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, BestOfEvaluations) and callback.best is not None:
                self.result.best = callback.best
                self.result.quirks = [*self._quirks, callback.quirk]

    def _keep_metrics(self, trainer: Trainer) -> None:
        for name, value in trainer.callback_metrics.items():
            self.result.metrics[name] = float(value)

    def _export(self, data: PoolDataModule) -> None:
        selected = data.selected
        if selected is None or self.directory is None:
            return
        self.result.sampler, self.result.ipc = sampler_word(type(data.selection_plan.sampler)), data.ipc
        self.result.prior = prior_in_words(selected.manifest.prior)
        self.result.encoded = selected.embeddings.encoded
        self.result.seconds.update(selected.seconds)
        if not (self.directory / SHEET).exists():  # else this goes on; other images are refused then
            shutil.rmtree(self.directory / "subset", ignore_errors=True)
            selected.export(self.directory / "subset")
            write_pictures(self.directory, selected)
        self.result.selection = statistics_record(selected.report())


def _class_name(module: LightningModule) -> str:
    network = getattr(module, "network", None)
    return type(getattr(network, "network", network)).__name__
