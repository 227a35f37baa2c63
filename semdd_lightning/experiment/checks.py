"""Refused before anything runs: callbacks that cannot do here what they are for, and no checkpoints."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, EarlyStopping, LearningRateFinder

from semdd_lightning.errors import ConfigError
from semdd_lightning.training.checkpoints import read_checkpoint

TUNERS = {BatchSizeFinder: "--data.batch_size", LearningRateFinder: "the rate of --model.optimizer"}
"""Callbacks that try a setting out, and what gives it: a run has what its config says, and no other."""


def check_callbacks(trainer: Trainer, *, validates_once: bool) -> None:
    """Refuse a tuner, and an `EarlyStopping` that would look too late to stop anything.

    Args:
        trainer: with the config's callbacks.
        validates_once: whether it trains, and validation comes once, after the last pass.

    Raises:
        ConfigError: naming the callback and what to give in its place.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        for kind, option in TUNERS.items():
            if isinstance(callback, kind):
                msg = (
                    f"Expected a config that says all it trains with, found {type(callback).__name__}, which "
                    f"would try it out; leave it out and give {option}."
                )
                raise ConfigError(msg)
        if isinstance(callback, EarlyStopping) and validates_once and not callback._check_on_train_epoch_end:
            msg = (
                "Expected EarlyStopping to look at every epoch, found that validation comes once, after the "
                "last pass; give --trainer.check_val_every_n_epoch 1, or the callback "
                "check_on_train_epoch_end: true."
            )
            raise ConfigError(msg)


def check_checkpoint(path: str | Path | None, command: str) -> None:
    """Refuse a checkpoint that is not there or cannot be read, and none where one is needed.

    Args:
        path: what ``--ckpt_path`` says; an address is Lightning's to open.
        command: fit, validate, test or predict.

    Raises:
        ConfigError: if there is no such checkpoint.
    """
    if path is None and command != "fit":
        msg = (
            f"Expected --ckpt_path for {command}, found none; give the last.ckpt of a run "
            "(an untrained student is not worth a number)."
        )
        raise ConfigError(msg)
    if path is None or "://" in str(path):
        return
    if not Path(path).exists():
        msg = f"Expected a checkpoint at {Path(path).absolute()}, found none; give the last.ckpt of a run."
        raise ConfigError(msg)
    read_checkpoint(Path(path), ConfigError, "give the last.ckpt of a run")
