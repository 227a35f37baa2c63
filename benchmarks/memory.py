"""What a process holds, as Linux counts it: for the benchmarks of memory."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

M = TypeVar("M")

_SAMPLE_SECONDS = 0.002


def in_a_process(measured: Callable[..., M], *args: object) -> M:
    """Call a function in a fresh process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(measured, *args).result()


def resident_mib() -> float:
    """Resident memory of this process."""
    return _status_mib("VmRSS")


def forget_peak() -> None:
    """Let Linux take the peak of this process's resident memory from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Largest resident memory since the peak was forgotten, else since the process began.

    Not `ru_maxrss`, which a process inherits from the one that started it.
    """
    return _status_mib("VmHWM")


class PeakMemory:
    """Looks at the anonymous memory of this process every 2 ms while a ``with`` block runs.

    Attributes:
        mib: The most that was seen above what there was at the start.
    """

    mib: float

    def __enter__(self) -> PeakMemory:
        self._before = self._most = _status_mib("RssAnon")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self.look()
        self.mib = self._most - self._before

    def look(self) -> None:
        """Look now, whatever the time."""
        self._most = max(self._most, _status_mib("RssAnon"))

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self.look()


def _status_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 2**10
