"""Commands and functions in processes of their own, without the seconds that importing takes.

They are forked off a copy of this process: as it was before its first test, with no test's changes in it.
"""

from __future__ import annotations

import gc
import os
import runpy
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

# what commands import only where they need it
_LATE = [
    *("open_clip", "sklearn.datasets", "sklearn.decomposition", "sklearn.neighbors"),
    *("semdd_lightning.experiment.experiment", "semdd_lightning.evaluation"),
]


@dataclass(frozen=True)
class Asked:
    """What a process is to do.

    Args:
        work: a function of a module, whose status is its process's where it gives one.
        arguments: what it is given.
        folder: where it runs.
        environment: all variables.
        stdout: file that takes what it says.
        stderr: file for its messages; may be the same.
    """

    work: Callable[..., int | None]
    arguments: tuple[Any, ...]
    folder: Path
    environment: Mapping[str, str]
    stdout: Path = Path(os.devnull)
    stderr: Path = Path(os.devnull)


@dataclass(frozen=True)
class Ended:
    """What became of a process; its status is negative where a signal ended it."""

    status: int
    stdout: str
    stderr: str


class Forks:
    """The copy of this process, and the processes that it forks."""

    def __init__(self) -> None:
        for name in _LATE:
            import_module(name)
        self._connection, other = Pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside xdist's waiting thread
            self._copy = os.fork()
        if self._copy == 0:
            self._connection.close()
            _serve(other)
        other.close()

    def begin(self, work: Callable[..., int | None], *arguments: Any) -> int:  # noqa: ANN401 - of any function
        """Begin a function of a module, here; its process."""
        return self._start(Asked(work, arguments, Path.cwd(), dict(os.environ)))

    def start(
        self,
        commands: Sequence[Sequence[str]],
        folder: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        opened: str = "",
        signum: int = signal.SIGTERM,
    ) -> int:
        """Begin commands in a folder, one after the other; their process.

        Args:
            commands: their words.
            folder: where they run.
            log: file that takes what they say.
            environment: variables beside those of this process.
            opened: part of a path; the first such file that is opened brings a signal, so that it comes in
                the midst of the same work on any machine. Empty sends none.
            signum: the signal.
        """
        variables = {**os.environ, **(environment or {})}
        return self._start(Asked(_run, (commands, opened, signum), folder, variables, log, log))

    def wait(self, process: int, seconds: float = 300) -> int:
        """Exit status of a process, negative where a signal ended it, as one does that takes too long."""
        self._connection.send(process)
        if not self._connection.poll(seconds):
            os.kill(process, signal.SIGKILL)
        status: int = self._connection.recv()
        return status

    def together(
        self,
        commands: Sequence[Sequence[str]],
        environments: Sequence[Mapping[str, str]],
        folder: Path,
        logs: Path,
    ) -> list[Ended]:
        """Run the same commands, one after the other, in as many processes as there are environments."""
        files = [(logs / f"{rank}.stdout", logs / f"{rank}.stderr") for rank in range(len(environments))]
        started = [
            self._start(Asked(_run, (commands,), folder, {**os.environ, **environment}, *streams))
            for streams, environment in zip(files, environments, strict=True)
        ]
        statuses = [self.wait(process) for process in started]
        return [
            Ended(status, *(file.read_text() for file in streams))
            for status, streams in zip(statuses, files, strict=True)
        ]

    def close(self) -> None:
        """End the copy."""
        self._connection.close()
        os.waitpid(self._copy, 0)

    def _start(self, asked: Asked) -> int:
        self._connection.send(asked)
        process: int = self._connection.recv()
        return process


FORKS = pytest.StashKey[Forks]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Fork the copy, if a test needs it."""
    if any("forks" in getattr(item, "fixturenames", ()) for item in session.items):
        session.config.stash[FORKS] = Forks()


@pytest.fixture(scope="session")
def forks(pytestconfig: pytest.Config) -> Forks:
    """Runs commands in processes of their own."""
    return pytestconfig.stash[FORKS]


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the copy."""
    if FORKS in config.stash:
        config.stash[FORKS].close()


def free_port() -> str:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def _serve(connection: Connection) -> None:
    """Fork for whatever is asked, and wait for whatever process is named."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks
    gc.freeze()  # what is shared with this process stays shared
    while True:
        try:
            asked: Asked | int = connection.recv()
        except EOFError:
            os._exit(0)
        if isinstance(asked, int):
            connection.send(os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1]))
            continue
        process = os.fork()
        if process == 0:
            connection.close()
            _do(asked)
        connection.send(process)


def _do(asked: Asked) -> None:
    """Do it as a new process would, and end."""
    status = 1
    try:
        _begin_anew(asked)
        status = asked.work(*asked.arguments) or 0
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        os._exit(status)


def _begin_anew(asked: Asked) -> None:
    from lightning.pytorch.utilities import rank_zero_only

    for stream, name in enumerate((Path(os.devnull), asked.stdout, asked.stderr)):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), stream)
    sys.stdin, sys.stdout, sys.stderr = (
        open(stream, mode, closefd=False)  # noqa: SIM115 - as long as the process
        for stream, mode in enumerate(("r", "w", "w"))
    )
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.environment)
    rank = int(asked.environment.get("RANK", 0))
    vars(rank_zero_only)["rank"] = rank  # which Lightning reads as it is imported
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(commands: Sequence[Sequence[str]], opened: str = "", signum: int = signal.SIGTERM) -> int:
    """Run commands as ``python -m`` does, which is how Lightning starts another process; their status."""
    if opened:
        _signal_when_opened(opened, signum)
    for words in commands:
        sys.argv = ["semdd_lightning", *words]
        try:
            runpy.run_module("semdd_lightning", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            if ended.code:
                return int(ended.code)
    return 0


def _signal_when_opened(part: str, signum: int) -> None:
    """Send this process a signal when a file with this in its path is opened, once."""
    process, sent = os.getpid(), False

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal sent
        if event == "open" and not sent and part in str(arguments[0]):
            sent = True
            os.kill(process, signum)

    sys.addaudithook(look)
