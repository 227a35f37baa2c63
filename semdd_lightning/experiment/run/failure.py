"""A run that fails: what its directory says of it, and who failed where that was not this package."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lightning.fabric.plugins import ClusterEnvironment
from lightning.pytorch import Callback
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins import CheckpointIO, LayerSync, Precision
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from semdd_lightning.errors import ConfigError, SemddError

FILE_NAME = "failure.txt"
OURS = "semdd_lightning"
LIGHTNING = "Lightning"
SHELL = (f"{OURS}.cli.", f"{OURS}.experiment.")  # these call Lightning; what fails right below is not theirs
EXTENSIONS = (Callback, Logger, Profiler, Accelerator)
AROUND = (Optimizer, LRScheduler, Strategy, Precision, LayerSync, CheckpointIO, ClusterEnvironment)
"""Parts within whose steps everything else runs: of them, only their making is theirs."""


@contextmanager
def failures_told(
    directory: Path | None, named: Sequence[object] = (), *, built: bool = False
) -> Iterator[None]:
    """Write why what is inside failed, and turn a failure of what a config names into one message.

    Args:
        directory: the run's; none writes nothing.
        named: parts that the config names, beside those that are extensions by their kind.
        built: whether what the config names is being built, so that what fails outside is one of these parts.

    Raises:
        ConfigError: in place of an error that arose in an extension, or in Lightning itself.
    """
    try:
        yield
    except Exception as error:
        told = error if isinstance(error, SemddError) else _explained(error, named, built=built)
        if directory is not None and directory.is_dir():
            text = "".join(traceback.format_exception(error))
            said = repr(error) if told is None else str(told)
            (directory / FILE_NAME).write_text(f"{said}\n\n{text}", encoding="utf-8")
        if told is None or told is error:
            raise
        raise told from error


def _explained(error: BaseException, named: Sequence[object], *, built: bool) -> ConfigError | None:
    """The error in words, where neither this package nor a tensor operation below it failed."""
    while isinstance(error.__cause__, BaseException) and not isinstance(error, SemddError):
        error = error.__cause__  # what jsonargparse and Lightning wrap
    if isinstance(error, SemddError):
        return None  # which `main` finds by itself
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    who = _who_failed(frames, named, "a part that the config names" if built else None)
    if who is None:
        return None
    found = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if who == LIGHTNING:
        return ConfigError(f"Expected a config that Lightning can run here, found {found}")
    return ConfigError(
        f"Expected {who} to work in this run, found {found}; correct its arguments or leave it out."
    )


def _who_failed(frames: Sequence[FrameType], named: Sequence[object], otherwise: str | None) -> str | None:
    """Name of the part in whose code an error arose, from the innermost frame out; none if it is ours."""
    for frame in frames:
        module = str(frame.f_globals.get("__name__"))
        # where Lightning calls a hook that is no method, it has the callback at hand
        owner = frame.f_locals.get("callback", frame.f_locals.get("self"))
        if module.startswith(OURS) and not module.startswith(SHELL):
            return None
        if isinstance(owner, EXTENSIONS) or any(owner is part for part in named if owner is not None):
            return type(owner).__name__
        if isinstance(owner, AROUND) and frame.f_code.co_name == "__init__":
            return type(owner).__name__
        if module.startswith(SHELL):
            break
    in_lightning = frames and str(frames[0].f_globals.get("__name__")).startswith("lightning")
    return LIGHTNING if in_lightning else otherwise
