"""Keeps the books of a run: selection, times, accuracies, predictions, and the table at the end."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.distributed as dist
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from semdd_lightning.atomic import write_csv
from semdd_lightning.audit import audit_outcome, class_record, stray_classes
from semdd_lightning.data import ImageDataModule, PoolDataModule, PoolSelection
from semdd_lightning.data.image_sets import UNKNOWN
from semdd_lightning.errors import RunError
from semdd_lightning.experiment.config.options import without_options
from semdd_lightning.experiment.run.directory import PAGE, SHEET, environment, read_versions
from semdd_lightning.experiment.run.last_checkpoint import MetricsFile
from semdd_lightning.experiment.run.measured import LIMITS, ImagesSeen, forget_peak, peak_bytes
from semdd_lightning.experiment.run.result import RESULT, RunResult
from semdd_lightning.names import command, get_logger
from semdd_lightning.prior import prior_in_words
from semdd_lightning.records import write_record
from semdd_lightning.report import log_selection, statistics_record, write_contact_sheet
from semdd_lightning.report.page.selection_page import write_page
from semdd_lightning.selection import sampler_word
from semdd_lightning.training import BestOfEvaluations, StoredLabels, TrainingDone, training_done
from semdd_lightning.training.progress import trial_steps

logger = get_logger(__name__)


class RunRecord(Callback):
    """Writes the selection when it is made, and the result when the run ends.

    Args:
        directory: the run directory; None on ranks other than 0, which learn it from rank 0.
        result: what is known from the beginning.
    """

    def __init__(self, directory: Path | None, result: RunResult) -> None:
        self.directory, self.result = directory, result
        result.directory = None if directory is None else str(directory)
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
        network = getattr(pl_module, "network", None)
        kind = type(getattr(network, "network", network)).__name__
        self.result.student = getattr(pl_module, "network_name", None) or kind
        self.result.labels = getattr(pl_module, "label_record", None)
        if isinstance(getattr(pl_module, "teacher", None), StoredLabels):
            self.result.replay_seed = data.drawing_seed
        if isinstance(data, PoolDataModule) and data.selected is not None:
            self._export(data, data.selected, self.directory)
            loggers = [logger for logger in trainer.loggers if not isinstance(logger, MetricsFile)]
            log_selection(loggers, self.result.selection, self.directory / SHEET)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Time begins."""
        self._started = time.perf_counter()

    on_test_start = on_fit_start

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
            moments = {split: done.moment(steps or done.steps) for split, steps in self.seen.steps.items()}
            result.measured = moments
        asked = {"fit": "test", "validate": "validation"}.get(result.command, result.command)
        sizes = data.split_sizes()
        looked_at = {*self.seen.images, asked} & sizes.keys()
        found = [self.seen.shortfall(split, sizes[split], trainer) for split in LIMITS if split in looked_at]
        result.cut_short = [text for text in (done and done.shortfall, *found) if text]
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, BestOfEvaluations) and callback.best is not None:
                result.best, result.quirks = callback.best, [*self._quirks, callback.quirk]
        if trial := trial_steps(trainer):
            result.cut_short = [f"a trial without an accuracy: fast_dev_run={trial}"]
            result.metrics, result.best = {}, None

    def _keep_metrics(self, trainer: Trainer) -> None:
        self.result.metrics |= {name: float(value) for name, value in trainer.callback_metrics.items()}

    def _export(self, data: PoolDataModule, selected: PoolSelection, directory: Path) -> None:
        self.result.sampler, self.result.ipc = sampler_word(type(data.selection_plan.sampler)), data.ipc
        self.result.prior = prior_in_words(selected.manifest.prior)
        self.result.encoded = selected.embeddings.encoded
        self.result.seconds.update(selected.seconds)
        if not (directory / SHEET).exists():  # else this goes on; other images are refused then
            shutil.rmtree(directory / "subset", ignore_errors=True)
            selected.export(directory / "subset")
            write_pictures(directory, selected)
        self.result.selection = statistics_record(selected.report())


def write_pictures(directory: Path, selected: PoolSelection) -> None:
    """Write the page, then the contact sheet, of a selection beside the ``versions.json`` of its command."""
    versions = read_versions(directory)
    argv = versions.command if versions else ("semdd", "select")
    choices, place = ("--choices", "--out") if argv[1] == "select" else ("--data.choices", "--run.directory")
    pool, audit = selected.pool, selected.audit
    write_page(
        directory / PAGE,
        selected.table,
        pool,
        selected.embeddings.image_embeddings,
        report=statistics_record(selected.report()),
        manifest=asdict(selected.manifest),
        made_by=command(*versions.command) if versions else command("semdd", "verify", directory),
        again=command(*without_options(argv, choices, place), choices, "choices.csv"),
        prior=prior_in_words(selected.manifest.prior),
        audit=None if audit is None else class_record(pool, audit),
        resembles=None if audit is None else stray_classes(pool, audit),
    )
    write_contact_sheet(directory / SHEET, selected.table, pool)


class PredictionWriter(BasePredictionWriter):
    """Gathers the ranks' probabilities into a run's ``predictions.csv``, in the order of the split."""

    def __init__(self, record: RunRecord) -> None:
        super().__init__(write_interval="epoch")
        self.record = record

    def write_on_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule, predictions: Sequence[Any], batch_indices: object
    ) -> None:
        """Rank 0 puts the tables of all together."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        tables = [_table(predictions, list(data.registry.names))]
        if trainer.world_size > 1:
            own, tables = tables[0], tables * trainer.world_size
            dist.gather_object(own, tables if trainer.is_global_zero else None)
        if not trainer.is_global_zero or self.record.directory is None:
            return
        table = pd.concat(tables).sort_values("row", ignore_index=True)
        paths = data.split_paths("predict")
        if paths is not None:
            table.insert(1, "path", [paths[row] for row in table["row"]])
        file = self.record.directory / "predictions.csv"
        write_csv(file, table)
        logger.info("Probabilities of %d images: %s", len(table), file)


def _table(predictions: Sequence[dict[str, torch.Tensor]], names: list[str]) -> pd.DataFrame:
    columns = {key: torch.cat([part[key].cpu() for part in predictions]) for key in predictions[0]}
    probability = columns["probability"].numpy()
    table = pd.DataFrame(
        {
            "row": columns["row"].numpy(),
            "label": [names[i] if i != UNKNOWN else None for i in columns["label"].tolist()],
            "predicted": [names[i] for i in probability.argmax(axis=1)],
        }
    )
    return pd.concat([table, pd.DataFrame(probability, columns=[f"p({name})" for name in names])], axis=1)
