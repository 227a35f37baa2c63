"""Keeps the books of a run: selection, times, accuracies, and the table at the end."""

from __future__ import annotations

import logging
import math
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from pydantic import ConfigDict, with_config

from semdd_lightning.audit import audit_outcome
from semdd_lightning.cli.images_seen import LIMITS, ImagesSeen
from semdd_lightning.cli.run_directory import environment, from_here
from semdd_lightning.data import ImageDataModule, PoolDataModule
from semdd_lightning.errors import RunError
from semdd_lightning.names import command
from semdd_lightning.records import RECORD, read_record, write_record
from semdd_lightning.report import print_run_table, statistics_record, write_contact_sheet
from semdd_lightning.selection import sampler_word
from semdd_lightning.training import BestOfEvaluations, StoredLabels, TrainingDone, training_done
from semdd_lightning.training.training_done import trial_steps

logger = logging.getLogger(__name__)
RESULT = "result.json"


@with_config(RECORD | ConfigDict(extra="ignore"))  # another version may say more
@dataclass
class RunResult:
    """What a run found, as ``result.json`` holds it.

    Attributes:
        command: fit, validate, test or predict.
        configs: names of the config files.
        directory: the run directory.
        overrides: options given beside the configs.
        sampler: short name of the sampler, or the path of its class; none without a selection.
        ipc: images per class.
        passes: whole passes over the chosen images that the student was trained; where an old student is
            evaluated, by its checkpoint.
        training: steps and passes, done and planned, and what ended it, as `TrainingDone` has them; none
            where nobody knows.
        cut_short: what makes this no full run, one sentence each: training that ended early, splits that
            were not seen whole. Empty where all was done.
        student: short name or class of the student.
        protocol: name of the evaluation protocol; none without one.
        protocol_changes: its options that have another value here (``option``, ``protocol``, ``used``).
        quirks: switches that are on only to match a peer's code.
        teacher: card of the teacher (its data, recipe, accuracy, hash); none without one.
        labels: what the student learnt from: ``kind`` (hard, online, static or stored), of stored ones also
            ``static``, ``format``, ``passes`` and ``bytes``; none without training.
        replay_seed: seed that the stored labels were drawn with; none where a teacher labelled.
        best: the highest of several tests, as some peers report it, and all of them by pass; the headline is
            ``test_top1``.
        metrics: accuracies in [0, 1], as ``test_top1``; none of a trial, ``fast_dev_run``.
        evaluated: images that each split's accuracy was measured on.
        measured: when that was, in words, as ``after the last pass``.
        encoded: images encoded by CLIP in this run, by rank 0; the others came from the cache.
        selection: statistics of pool, candidates, selection and a random subset of the same size.
        audit: what the pool's classes looked like; none where that was not looked at.
        inputs: state of every file and folder that the config names, by its path.
        seconds: time each stage took.
        environment: versions and hardware.
    """

    command: str
    configs: list[str]
    directory: str | None
    overrides: list[str] = field(default_factory=list)
    sampler: str | None = None
    ipc: int | None = None
    passes: int | None = None
    training: dict[str, Any] | None = None
    cut_short: list[str] = field(default_factory=list)
    student: str | None = None
    protocol: str | None = None
    protocol_changes: list[dict[str, Any]] = field(default_factory=list)
    quirks: list[str] = field(default_factory=list)
    teacher: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None
    replay_seed: int | None = None
    best: dict[str, Any] | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    evaluated: dict[str, int] = field(default_factory=dict)
    measured: dict[str, str] = field(default_factory=dict)
    encoded: int | None = None
    selection: dict[str, dict[str, float | None]] = field(default_factory=dict)
    audit: dict[str, Any] | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = {
            name: value for name, value in self.metrics.items() if "_top" in name and not 0 <= value <= 1
        }
        if wrong:
            msg = f"Expected accuracies in [0, 1], found {wrong}; run it again."
            raise RunError(msg)

    @property
    def leaves_choice(self) -> bool:
        """Whether the pool holds more images than were chosen: else every sampler chooses the same."""
        images = [self.selection.get(subset, {}).get("num_images") for subset in ("pool", "selection")]
        return images[0] is None or images[0] != images[1]

    def print_table(self) -> None:
        """Print the table and the next command to try; nothing on ranks that keep no record."""
        if self.directory is not None:
            shown = {**asdict(self), "directory": str(from_here(Path(self.directory)))}
            print_run_table(shown, next_commands(self))


def read_result(directory: Path) -> RunResult | None:
    """The result of a run; none where there is none that can be trusted, and a warning says why."""
    file = directory / RESULT
    if not file.is_file():
        return None
    try:
        return read_record(file, RunResult, RunError, "the run has to be made again")
    except RunError as error:
        logger.warning("%s", error)
        return None


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
        self.result.encoded = selected.embeddings.encoded
        self.result.seconds.update(selected.seconds)
        if not (self.directory / "subset.png").exists():  # else this goes on; other images are refused then
            shutil.rmtree(self.directory / "subset", ignore_errors=True)
            selected.export(self.directory / "subset")
            write_contact_sheet(self.directory / "subset.png", selected.table, selected.pool)
        self.result.selection = statistics_record(selected.report())
        logger.info("See what was chosen: %s", from_here(self.directory / "subset.png"))


def next_commands(result: RunResult) -> list[str]:
    """What one would do next with this run."""
    if result.command != "fit" or result.directory is None:
        return []
    directory = from_here(Path(result.directory))
    names = [str(directory / "config.yaml")] if result.overrides else result.configs
    configs = [word for name in names for word in ("--config", Path(name))]
    if result.sampler is None:
        checkpoint = directory / "last.ckpt"
        return (
            [f"use it as a teacher: CheckpointTeacher with path {command(checkpoint)}"]
            if checkpoint.exists()
            else []
        )
    verify = command("semdd", "verify", directory)
    if (seed := result.replay_seed) is not None:  # stored labels are those of one selection alone
        seeds = ["--seed_everything", seed + 1, "--data.replay_seed", seed]
        return [command("semdd", "fit", *configs, *seeds), verify]
    if not result.leaves_choice:
        return [verify]
    rival = "random" if result.sampler != "random" else "two_stage"
    samplers = ["--samplers", result.sampler, rival, "--seeds", 0, 1, 2]
    return [command("semdd", "compare", *configs, *samplers), verify]


def _class_name(module: LightningModule) -> str:
    network = getattr(module, "network", None)
    return type(getattr(network, "network", network)).__name__
