"""A run that fails: all its processes end together, its directory says why, and who failed has a name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch.distributed as dist
from lightning.fabric.plugins import ClusterEnvironment
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins import CheckpointIO, LayerSync, Precision
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.utilities import rank_zero_only
from torch._C._distributed_c10d import TCPStore
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from semdd_lightning.errors import AuditError, ConfigError, SemddError
from semdd_lightning.experiment.process import Stopped, error_in_words

_FAILED, _SEEN = "semdd/failed", "semdd/seen"
_POLL_S = 0.5
_LINGER_S = 5.0  # for the others to see it, where this process keeps the store


class EndTogether(Callback):
    """Tells the other ranks of a failure, and ends this one when another failed.

    A rank that fails alone leaves the others in a collective, where they wait until a time-out or end with an
    error that says nothing. So each looks, beside its work, at a key of the store that they met in.
    """

    def __init__(self) -> None:
        self._store: Any = None
        self._over = threading.Event()

    def watch(self, trainer: Trainer) -> None:
        """Begin, where there are others; they meet later."""
        if trainer.world_size > 1:
            threading.Thread(target=self._watch, name="semdd-ranks", daemon=True).start()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Tell the others, before anything is torn down."""
        self.tell(exception)

    def tell(self, error: BaseException) -> None:
        """Tell the others why this process ends; ends it with another's error where that came first."""
        if self._store is None or self._over.is_set():
            return
        if is_of_a_dead_rank(error):  # which may be about to tell, and then ends this process
            time.sleep(2 * _POLL_S)
        self._over.set()
        status = 3 if isinstance(error, AuditError) else 2 if isinstance(error, SemddError) else 1
        status = 128 + error.signum if isinstance(error, Stopped) else status
        own = json.dumps({"rank": dist.get_rank(), "status": status, "error": error_in_words(error)})
        try:
            first = self._store.compare_set(_FAILED, "", own).decode()
            if first != own:
                _end(first)
            until = time.monotonic() + _LINGER_S
            while self._store.add(_SEEN, 0) < dist.get_world_size() - 1 and time.monotonic() < until:
                time.sleep(_POLL_S / 5)
        except RuntimeError:  # the store went with the process that kept it
            return

    def part(self, trainer: Trainer) -> None:
        """The run is over, and its processes may end one by one."""
        trainer.strategy.barrier("the run is over")
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_POLL_S):
            self._replace_observer()
            if not dist.is_initialized():
                continue
            try:
                self._store = self._store or _own_store()
                if self._store.check([_FAILED]) and not self._over.is_set():
                    self._store.add(_SEEN, 1)
                    _end(self._store.get(_FAILED).decode())
            except RuntimeError:
                if not self._over.wait(_LINGER_S):
                    _end(json.dumps({"rank": 0, "status": 1, "error": "it ended without a word"}))

    def _replace_observer(self) -> None:
        """Where Lightning started the others, it kills this process without a word when one of them dies."""
        for thread in threading.enumerate():
            if isinstance(thread, _ChildProcessObserver):
                thread._terminate_all = partial(self._child_died, thread._child_processes)  # type: ignore[method-assign]

    def _child_died(self, children: Sequence[subprocess.Popen[bytes]]) -> None:
        if self._over.wait(_LINGER_S):  # it may have told why, and that is on its way to the terminal
            return
        for child in children:
            child.kill()
        rank, code = next((i, child.returncode) for i, child in enumerate(children, 1) if child.returncode)
        why = f"signal {-code} ended it" if code < 0 else f"it ended with status {code}"
        said = f"{why}; see whether the system killed it for its memory."
        _end(json.dumps({"rank": rank, "status": 2, "error": said}))


def is_first_process() -> bool:
    """Whether this is the one process of all nodes that makes the run's directory.

    Where Lightning starts the processes, each node's first believes to be rank 0 until the trainer tells it.
    """
    ranks = [getattr(rank_zero_only, "rank", 0), os.environ.get("NODE_RANK"), os.environ.get("GROUP_RANK")]
    return all(rank in (None, "", 0, "0") for rank in ranks)


def is_of_a_dead_rank(error: BaseException) -> bool:
    """Whether a collective failed because another process is gone."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _own_store() -> Any:  # noqa: ANN401 - torch types no stores
    """A connection of our own: one that waits for a key keeps others from asking."""
    store: Any = dist.distributed_c10d._get_default_store()
    while hasattr(store, "underlying_store"):
        store = store.underlying_store
    if not isinstance(store, TCPStore):
        return store
    return TCPStore(
        store.host, store.port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=_LINGER_S)
    )


def _end(failure: str) -> None:
    """End this process at once, whatever it waits for: files are whole or absent at every moment."""
    told = json.loads(failure)
    line = f"Rank {told['rank']} failed, so this process ends, too: {told['error']}\n"
    sys.stdout.flush()
    os.write(2, line.encode())
    os._exit(told["status"])


def leave_process_group() -> None:
    """As Lightning does for NCCL alone: gloo threads that outlive the interpreter now and then abort it."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


FILE_NAME = "failure.txt"
OURS = "semdd_lightning"
LIGHTNING = "Lightning"
SHELL = (f"{OURS}.cli.", f"{OURS}.experiment.")  # these call Lightning; what fails right below is not theirs
EXTENSIONS = (Callback, Logger, Profiler, Accelerator)
AROUND = (Optimizer, LRScheduler, Strategy, Precision, LayerSync, CheckpointIO, ClusterEnvironment)
"""Parts within whose steps everything else runs: of them, only their making is theirs."""


@contextmanager
def failures_told(
    directory: Path | None, named: Sequence[object] = (), otherwise: str | None = None
) -> Iterator[None]:
    """Write why what is inside failed, and turn a failure of what a config names into one message.

    Args:
        directory: the run's (default: nothing is written).
        named: parts that the config names, beside those that are extensions by their kind.
        otherwise: what failed where it is nothing of this.

    Raises:
        ConfigError: in place of an error that arose in an extension, or in Lightning itself.
    """
    try:
        yield
    except Exception as error:
        told = error if isinstance(error, SemddError) else _explained(error, named, otherwise)
        if directory is not None and directory.is_dir():
            text = "".join(traceback.format_exception(error))
            said = repr(error) if told is None else str(told)
            (directory / FILE_NAME).write_text(f"{said}\n\n{text}", encoding="utf-8")
        if told is None or told is error:
            raise
        raise told from error


def _explained(error: BaseException, named: Sequence[object], otherwise: str | None) -> ConfigError | None:
    """The error in words, where neither this package nor a tensor operation below it failed."""
    while isinstance(error.__cause__, BaseException) and not isinstance(error, SemddError):
        error = error.__cause__  # what jsonargparse and Lightning wrap
    if isinstance(error, SemddError):
        return None  # which `main` finds by itself
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    who = _who_failed(frames, named, otherwise)
    found = f"found {type(error).__name__}: {' '.join(str(error).split())}"
    if who == LIGHTNING:
        return ConfigError(f"Expected a config that Lightning can run here, {found}")
    msg = f"Expected {who} to work in this run, {found}; correct its arguments or leave it out."
    return None if who is None else ConfigError(msg)


def _who_failed(frames: Sequence[FrameType], named: Sequence[object], otherwise: str | None) -> str | None:
    """Name of the part in whose code an error arose, from the innermost frame out; None if it is ours."""
    for frame in frames:
        module = str(frame.f_globals.get("__name__"))
        # where Lightning calls a hook that is no method, it has the callback at hand
        owner = frame.f_locals.get("callback", frame.f_locals.get("self"))
        if module.startswith(OURS) and not module.startswith(SHELL):
            return None
        made = isinstance(owner, AROUND) and frame.f_code.co_name == "__init__"
        if made or isinstance(owner, EXTENSIONS) or any(owner is part for part in named if owner is not None):
            return type(owner).__name__
        if module.startswith(SHELL):
            break
    in_lightning = frames and str(frames[0].f_globals.get("__name__")).startswith("lightning")
    return LIGHTNING if in_lightning else otherwise
