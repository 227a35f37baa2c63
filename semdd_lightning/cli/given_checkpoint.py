"""The checkpoint that a command is given: looked at before anything is built."""

from __future__ import annotations

from pathlib import Path

from semdd_lightning.errors import ConfigError
from semdd_lightning.training.checkpoints import read_checkpoint


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
