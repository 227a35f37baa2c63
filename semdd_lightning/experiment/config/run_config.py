"""The run's part of a config: its arguments, and what a parsed config says of its name, images and files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, EarlyStopping, LearningRateFinder
from lightning.pytorch.cli import LightningArgumentParser
from yaml import YAMLError

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.links import LINKS, full_name, refusal
from semdd_lightning.experiment.config.protocols import Protocol
from semdd_lightning.training.checkpoints import read_checkpoint

TRAINER_EVERY = "check_val_every_n_epoch"


def run_name(config: Namespace) -> str:
    """The group of a run: what the config says, else the name of its first file."""
    named: str | None = config["run.name"]
    return named or next(iter(named_configs(config)), Path("run")).stem


def named_configs(config: Namespace) -> list[Path]:
    """The files that ``--config`` named."""
    return [Path(str(path)) for path in config.get("config") or []]


def validates_once(config: Namespace) -> bool:
    """Whether validation comes once, after the last pass, and at no interval of the trainer's.

    Raises:
        ConfigError: if it would never come, which Lightning refuses.
    """
    trainer = config["trainer"]
    if trainer[TRAINER_EVERY] is not None or trainer["val_check_interval"] is not None:
        return False
    if not config["run.validate_at_end"]:
        msg = (
            f"Expected validation at some time, found trainer.{TRAINER_EVERY} null without a "
            "trainer.val_check_interval in steps; give --run.validate_at_end true: once, after the last pass."
        )
        raise ConfigError(msg)
    return True


def epochs_between_validations(config: Namespace) -> int | None:
    """What the trainer is given as ``check_val_every_n_epoch``."""
    trainer = config["trainer"]
    every: int | None = trainer["max_epochs"] if validates_once(config) else trainer[TRAINER_EVERY]
    return every


def config_files(parser: ArgumentParser, command: str, config: Namespace) -> dict[str, str]:
    """The config with all that follows from it, and as one that makes the run again.

    Raises:
        ConfigError: if a class of one's own has an object as default, which no config can hold.
    """
    again = config.clone()
    again["run.directory"], again["run.name"] = None, run_name(config)  # beside the first, when run again
    resolved = again.clone()
    resolved[f"trainer.{TRAINER_EVERY}"] = epochs_between_validations(again)
    try:
        return {
            "resolved.yaml": parser.dump(resolved, skip_unset=False, skip_link_targets=False),
            "config.yaml": parser.dump(again, skip_unset=False, skip_validation=True),  # it was valid above
        }
    except (ValueError, TypeError, YAMLError) as error:
        raise refusal(command, f"what no config can hold: {error}") from error


def plain(config: Any) -> Any:  # noqa: ANN401 - a Namespace, or what stands in one
    """A config whose texts are nothing but text: defaults of some callbacks are members of an enumeration."""
    if isinstance(config, Namespace):
        found = config.clone()
        for key, value in vars(config).items():
            found[key] = plain(value)
        return found
    if isinstance(config, list):
        return [plain(value) for value in config]
    return str(config.value) if isinstance(config, str) and isinstance(config, Enum) else config


def add_run_arguments(parser: LightningArgumentParser) -> None:
    """Add them, and link what data, model and trainer must agree on."""
    parser.add_argument("--run.root", type=Path, default=Path("runs"), help="Folder of all runs.")
    parser.add_argument(
        "--run.name", type=str | None, default=None, help="Group (default: the config's name)."
    )
    parser.add_argument(
        "--run.directory",
        type=Path | None,
        default=None,
        help="Exactly this directory, new or left unfinished by this very command, which then goes on.",
    )
    parser.add_argument(
        "--run.validate_at_end",
        type=bool,
        default=False,
        help="Validate once, after the last pass, where trainer.check_val_every_n_epoch is null.",
    )
    parser.add_argument(
        "--protocol",
        type=Protocol | None,
        default=None,
        help="The evaluation protocol, which a config of protocols/ holds.",
    )
    for target, link in LINKS.items():
        parser.link_arguments(tuple(map(full_name, link.sources)), full_name(target), link.compute)


TUNERS = {BatchSizeFinder: "--data.batch_size", LearningRateFinder: "the rate of --model.optimizer"}
"""Callbacks that try a setting out, and what gives it: a run has what its config says, and no other."""


def check_callbacks(trainer: Trainer, once: bool) -> None:
    """Refuse, by `ConfigError`, a tuner, and an `EarlyStopping` that would look too late to stop anything.

    Args:
        trainer: with the config's callbacks.
        once: whether it trains, and validation comes once, after the last pass.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        option = next((option for kind, option in TUNERS.items() if isinstance(callback, kind)), None)
        if option is not None:
            msg = (
                f"Expected a config that says all it trains with, found {type(callback).__name__}, which "
                f"would try it out; leave it out and give {option}."
            )
            raise ConfigError(msg)
        if isinstance(callback, EarlyStopping) and once and not callback._check_on_train_epoch_end:
            msg = (
                "Expected EarlyStopping to look at every epoch, found that validation comes once, after the "
                "last pass; give --trainer.check_val_every_n_epoch 1, or the callback "
                "check_on_train_epoch_end: true."
            )
            raise ConfigError(msg)


def check_checkpoint(path: str | Path | None, command: str) -> None:
    """Refuse, by `ConfigError`, a checkpoint that cannot be read, and none where one is needed.

    Args:
        path: what ``--ckpt_path`` says; an address is Lightning's to open.
        command: fit, validate, test or predict.
    """
    advice = "give the last.ckpt of a run"
    if path is None and command != "fit":
        msg = (
            f"Expected --ckpt_path for {command}, found none; {advice} (an untrained student is not worth a "
            "number)."
        )
        raise ConfigError(msg)
    if path is None or "://" in str(path):
        return
    if not Path(path).exists():
        raise ConfigError(f"Expected a checkpoint at {Path(path).absolute()}, found none; {advice}.")
    read_checkpoint(Path(path), ConfigError, advice)
