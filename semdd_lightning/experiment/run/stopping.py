"""What a command does when it is told to stop: it unwinds at once, or where its work can be put down."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

_IMPATIENT_S = 1.0  # a terminal and a launcher may both hand on one Ctrl-C
_WORDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


class Stopped(BaseException):
    """A signal asked this process to end; no library takes it for an error that it could handle.

    Args:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Stopping:
    """The signals that end a process, for as long as a command runs.

    Attributes:
        received: the first such signal; none so far.
        waits: whether somebody looks at ``received`` where work can be put down, so that nothing is torn.
        said: what is to be told beside the fact, as the command that goes on; none where another tells.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.waits = False
        self.said: str | None = "what was finished is kept, and the same command goes on."
        self._since = 0.0
        self._process = os.getpid()

    @property
    def status(self) -> int | None:
        """Exit status as a shell gives it: 130 after Ctrl-C, 143 after SIGTERM; none without a signal."""
        return None if self.received is None else 128 + self.received

    @property
    def message(self) -> str:
        """One sentence for whoever stopped it."""
        word = _WORDS[signal.Signals(self.received or signal.SIGINT)]
        return "" if self.said is None else f"\n{word}; {self.said}\n"

    def handle(self, signum: int, _: FrameType | None) -> None:
        """Note the signal, and unwind unless somebody waits for it; a second Ctrl-C ends all as it is.

        Raises:
            Stopped: where nobody waits.
        """
        if os.getpid() != self._process:  # a forked worker: whoever forked it says what there is to say
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        elif self.received is None:
            self.received, self._since = signum, time.monotonic()
            if not self.waits:
                raise Stopped(signum)
        elif signum == signal.SIGINT and time.monotonic() - self._since > _IMPATIENT_S:
            os.write(2, self.message.encode())  # files are whole or absent at every moment
            os._exit(128 + self.received)

    def raise_if_received(self) -> None:
        """Unwind now if a signal came.

        Raises:
            Stopped: if one did.
        """
        if self.received is not None:
            self.leave()

    def leave(self) -> NoReturn:
        """Unwind now, where another process heard the signal, too.

        Raises:
            Stopped: in any case.
        """
        self.received, self.waits = self.received or signal.SIGTERM, False
        raise Stopped(self.received)


_current: list[Stopping] = []


def current() -> Stopping:
    """Of the command that runs; one that hears nothing where none does, as in a notebook."""
    return _current[-1] if _current else Stopping()


@contextmanager
def stoppable() -> Iterator[Stopping]:
    """Hear the signals that end a process until the block ends; other threads than the first cannot."""
    stopping, before = Stopping(), dict[signal.Signals, Any]()
    _current.append(stopping)
    try:
        for signum in _WORDS:
            here = threading.current_thread() is threading.main_thread()
            if here and signal.getsignal(signum) != signal.SIG_IGN:  # as behind a shell
                before[signum] = signal.signal(signum, stopping.handle)
        yield stopping
    finally:
        _current.remove(stopping)
        for signum, handler in before.items():
            signal.signal(signum, handler)
