"""What a run found, as its ``result.json`` holds it, and what one would do next with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, with_config

from semdd_lightning.errors import RunError
from semdd_lightning.experiment.run.directory import CHECKPOINT, PAGE, from_here
from semdd_lightning.names import command, get_logger
from semdd_lightning.records import RECORD, read_record
from semdd_lightning.report import print_run_table

logger = get_logger(__name__)
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
        sampler: short name of the sampler, or the path of its class; None without a selection.
        prior: the models that scored the pool, in words; None without a selection.
        ipc: images per class.
        passes: whole passes that the student was trained, an old one by its checkpoint.
        training: steps and passes, done and planned, and what ended it, as `TrainingDone` has them, or none.
        cut_short: what makes this no full run, one sentence each: training that ended early, splits that
            were not seen whole. Empty where all was done.
        student: short name or class of the student.
        protocol: name of the evaluation protocol; None without one.
        protocol_changes: its options that have another value here (``option``, ``protocol``, ``used``).
        quirks: switches that are on only to match a reference implementation.
        teacher: card of the teacher (its data, recipe, accuracy, hash); None without one.
        labels: what the student learnt from: ``kind`` (hard, online, static or stored), of stored ones also
            ``static``, ``format``, ``passes`` and ``bytes``; None without training.
        replay_seed: seed that the stored labels were drawn with; None where a teacher labelled.
        best: the highest of several tests, as some papers report it, and all of them by pass; the headline is
            ``test_top1``.
        metrics: accuracies in [0, 1], as ``test_top1``; None of a trial, ``fast_dev_run``.
        evaluated: images that each split's accuracy was measured on.
        measured: when that was, in words, as ``after the last pass``.
        encoded: images encoded by CLIP in this run, by rank 0; the others came from the cache.
        selection: statistics of pool, candidates, selection and a random subset of the same size.
        audit: what the pool's classes looked like; None where that was not looked at.
        inputs: state of every file and folder that the config names, by its path.
        seconds: time each stage took.
        peak_memory_bytes: the most memory at a time, on the GPU if there is one; None where nobody says it.
        environment: versions and hardware.
    """

    command: str
    configs: list[str]
    directory: str | None
    overrides: list[str] = field(default_factory=list)
    sampler: str | None = None
    prior: str | None = None
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
    peak_memory_bytes: int | None = None
    environment: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        accuracies = {name: value for name, value in self.metrics.items() if "_top" in name}
        wrong = {name: value for name, value in accuracies.items() if not 0 <= value <= 1}
        if wrong:
            msg = f"Expected accuracies in [0, 1], found {wrong}; run it again."
            raise RunError(msg)

    def print_table(self) -> None:
        """Print the table and the next command to try; nothing on ranks that keep no record."""
        if self.directory is not None:
            shown = {**asdict(self), "directory": str(from_here(Path(self.directory)))}
            print_run_table(shown, _next_commands(self))


def read_result(directory: Path) -> RunResult | None:
    """The result of a run; None where there is none that can be trusted, and a warning says why."""
    file = directory / RESULT
    if not file.is_file():
        return None
    try:
        return read_record(file, RunResult, RunError, "the run has to be made again")
    except RunError as error:
        logger.warning("%s", error)
        return None


def _next_commands(result: RunResult) -> list[str]:
    if result.command != "fit" or result.directory is None:
        return []
    directory = from_here(Path(result.directory))
    names = [str(directory / "config.yaml")] if result.overrides else result.configs
    configs = [word for name in names for word in ("--config", Path(name))]
    if result.sampler is None:
        checkpoint = directory / CHECKPOINT
        use = f"use it as a teacher: CheckpointTeacher with path {command(checkpoint)}"
        return [use] if checkpoint.exists() else []
    look = [command("semdd", "open", directory)] if (directory / PAGE).exists() else []
    verify = [*look, command("semdd", "verify", directory)]
    if (seed := result.replay_seed) is not None:  # stored labels are those of one selection alone
        seeds = ["--seed_everything", seed + 1, "--data.replay_seed", seed]
        return [command("semdd", "fit", *configs, *seeds), *verify]
    in_pool, chosen = (result.selection.get(images, {}).get("num_images") for images in ("pool", "selection"))
    if in_pool is not None and in_pool == chosen:  # every sampler chooses the same
        return verify
    from semdd_lightning.selection import DEFAULT_SAMPLER  # torch, which a table of results needs not

    rival = "random" if result.sampler != "random" else DEFAULT_SAMPLER
    samplers = ["--samplers", result.sampler, rival, "--seeds", 0, 1, 2]
    return [command("semdd", "compare", *configs, *samplers), *verify]
