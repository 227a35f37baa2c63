"""Locks that one living process holds: the system gives them back when that process ends, however it ends."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

try:
    import fcntl
except ImportError:  # Windows: nobody is kept out there
    fcntl = None  # type: ignore[assignment]

POLL_SECONDS = 0.2
_held: WeakSet[Lock] = WeakSet()


class Lock:
    """A lock file, with host and number of the process that holds it in words.

    A file alone says nothing: its holder may be dead. What counts is the lock that the system keeps on it. On
    a file system that keeps none everybody gets it.

    Args:
        path: the file; its folder must be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def take(self, *, create: bool = True) -> bool:
        """Whether this process holds the lock now; nobody waits.

        Args:
            create: whether the file may be made; else it must be there.

        Raises:
            FileNotFoundError: if it is not there and must be, or its folder is not.
        """
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | (os.O_CREAT if create else 0), 0o644)
            if not _locked(descriptor):
                os.close(descriptor)
                return False
            if _is_at(descriptor, self.path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                self._descriptor = descriptor
                _held.add(self)
            else:  # the holder before removed the file after we had opened it
                os.close(descriptor)
        return True

    def wait(self, seconds: float) -> bool:
        """Take it as soon as its holder gives it back or dies."""
        until = time.monotonic() + seconds
        while not self.take():
            if time.monotonic() > until:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def give_back(self, *, keep_file: bool = False) -> None:
        """Let others have it; the file may stay, as a mark for who comes next."""
        if self._descriptor is None:
            return
        if not keep_file:
            self.path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Close the file and no more, as a forked process does, which holds nothing itself."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _held.discard(self)

    @property
    def holder(self) -> str:
        """Who holds it, in words."""
        with suppress(OSError):
            return self.path.read_text(errors="replace").strip() or "another process"
        return "another process"

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()


def remove_stale_locks(folder: Path) -> None:
    """Remove the files ``*.lock`` of processes that are gone; a living process keeps its own."""
    with suppress(OSError):
        for path in folder.glob("*.lock"):
            lock = Lock(path)
            if lock.take(create=False):
                lock.give_back()


def _locked(descriptor: int) -> bool:
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _let_all_go() -> None:
    for lock in list(_held):
        lock.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_all_go)
