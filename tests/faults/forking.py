"""Runs commands in forks of one process that has imported everything, so that a kill costs no start-up.

Started as ``python -m tests.faults.forking``; each line on stdin is a command, each line on stdout its
process and then its exit status.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import tests


class Server:
    """The process that forks; commands run one after the other."""

    def __init__(self) -> None:
        paths = os.pathsep.join([str(Path(tests.__path__[0]).parent), *sys.path])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        )

    def start(
        self, words: list[str], folder: Path, log: Path, opened: str = "", signum: int = signal.SIGTERM
    ) -> int:
        """Begin a command in a folder, with the cache in it; its process.

        Args:
            words: the command.
            folder: where it runs.
            log: what it says.
            opened: part of a path; the first such file that is opened brings a signal, so that it comes in
                the midst of the same work on any machine. Empty sends none.
            signum: the signal.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([words, str(folder), str(log), opened, signum]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """Exit status of the command that was begun last, negative where a signal ended it."""
        return self._answer()

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


def serve() -> None:
    """Fork for each line of stdin."""
    import sklearn.datasets  # noqa: F401

    from semdd_lightning.evaluation import sampler_table  # noqa: F401

    for line in sys.stdin:
        words, folder, log, opened, signum = json.loads(line)
        process = os.fork()
        if process == 0:
            _run(words, folder, log, opened, signum)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def _run(words: list[str], folder: str, log: str, opened: str, signum: int) -> None:
    from semdd_lightning.cli.main import main

    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(folder)
    os.environ["SEMDD_CACHE"] = str(Path(folder) / "cache")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if opened:
        _signal_when_opened(opened, signum)
    status = 1
    try:
        status = main(words)
    except SystemExit as error:
        status = int(error.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _signal_when_opened(part: str, signum: int) -> None:
    """Send this process a signal when a file with this in its path is opened, once."""
    process, sent = os.getpid(), False

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal sent
        if event == "open" and not sent and part in str(arguments[0]):
            sent = True
            os.kill(process, signum)

    sys.addaudithook(look)


if __name__ == "__main__":
    serve()
