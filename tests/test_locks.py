"""A lock is held by the living, whatever lies on disk."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from semdd_lightning.locks import Lock, remove_stale_locks

HOLDS = """
import sys, time
from pathlib import Path
from semdd_lightning.locks import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.take(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_it_dies_with_its_holder(tmp_path: Path) -> None:
    file = tmp_path / "x.lock"
    other = subprocess.Popen([sys.executable, "-c", HOLDS, str(file)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    lock = Lock(file)
    assert not lock.take()
    assert not lock.wait(0.01)
    assert lock.holder.startswith(f"process {other.pid} on ")
    remove_stale_locks(tmp_path)
    assert not lock.take(), "the living keep theirs"
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert file.exists()
    remove_stale_locks(tmp_path)
    assert not file.exists()
    assert lock.take()
    lock.give_back()
    assert not file.exists()


def test_a_fork_does_not_hold_what_its_parent_holds(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    assert lock.take()
    context = multiprocessing.get_context("fork")
    release = context.Event()
    child = context.Process(target=release.wait)
    child.start()
    lock.give_back(keep_file=True)
    taken = Lock(tmp_path / "lock").wait(10)  # the child lets go as it begins
    release.set()
    child.join()
    assert taken


def test_a_file_that_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "lock").take(create=False)
    (tmp_path / "lock").touch()
    assert Lock(tmp_path / "lock").take(create=False)
