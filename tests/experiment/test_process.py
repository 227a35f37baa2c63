"""Signals end a command with one sentence and a status that nobody takes for success."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from semdd_lightning.cli.main import main
from semdd_lightning.errors import CacheError
from semdd_lightning.experiment.process import Stopped, current, stoppable


@pytest.mark.parametrize(
    ("signum", "status", "word"), [(signal.SIGTERM, 143, "Terminated"), (signal.SIGINT, 130, "Interrupted")]
)
@pytest.mark.parametrize("disguise", [None, CacheError, RuntimeError])
def test_a_signal_is_one_sentence_and_its_status(
    signum: signal.Signals,
    status: int,
    word: str,
    disguise: type[Exception] | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Libraries make errors of their own of it, as where it ended a worker process."""

    def work(_: str, __: list[str]) -> int:
        try:
            os.kill(os.getpid(), signum)
        except Stopped:
            if disguise is not None:
                raise disguise("a worker ended") from None
            raise
        return 0

    monkeypatch.setattr("semdd_lightning.cli.verify.run", work)
    before = signal.getsignal(signum)
    assert main(["verify", "x"]) == status
    said = capsys.readouterr().err
    assert said == f"\n{word}; what was finished is kept, and the same command goes on.\n"
    assert signal.getsignal(signum) == before


def test_where_somebody_waits_work_is_put_down_first() -> None:
    with stoppable() as stopping:
        stopping.waits = True
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.received == signal.SIGTERM
        assert current() is stopping
        with pytest.raises(Stopped):
            current().raise_if_received()


def test_other_threads_hear_nothing_and_work() -> None:
    heard: list[int | None] = []

    def work() -> None:
        with stoppable() as stopping:
            heard.append(stopping.received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [None]


TWICE = """
import os, signal, sys, time
from semdd_lightning.experiment.process import stoppable
with stoppable() as stopping:
    stopping.waits = True  # and nobody looks
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)  # a terminal and a launcher handed on the same one
    time.sleep(1.1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
"""
FORKED = """
import os, signal, sys, time
from semdd_lightning.experiment.process import stoppable
ready, tell = os.pipe()
with stoppable():
    child = os.fork()
    if child == 0:
        os.write(tell, b".")  # Python drops what comes before it is back from the fork
        while True:
            time.sleep(0.01)
    os.read(ready, 1)
    os.kill(child, signal.SIGINT)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_second_interrupt_ends_what_hangs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 130
    assert done.stderr.strip().startswith("Interrupted; ")


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_a_worker_says_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (f"{-signal.SIGINT}\n", "")
