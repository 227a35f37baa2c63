"""The process of a command: what it says on standard error, what it may import, and how it is stopped."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from semdd_lightning.atomic import disk_error, is_of_disk
from semdd_lightning.errors import ConfigError, DiskError, SemddError
from semdd_lightning.names import shown_message

NOTHING_TO_DO_ABOUT = (
    ".*(Checkpoint|Experiment logs) directory .* exists and is not empty.*",  # the run's own
    ".*does not have many workers.*",  # images in memory need none
    ".*smaller than the logging interval.*",  # losses are logged once per epoch
    ".*Total length of `list` across ranks is zero.*",  # there need not be a validation split
    ".*The dirpath has changed from.*",  # every run has its own, a resumed one too
    ".*Couldn't infer the batch indices.*",  # predictions carry their rows
    ".*`tensorboardX` has been removed.*",
    ".*LeafSpec.*",
)
_TORCH_LEVEL = "TORCH_CPP_LOG_LEVEL"


@contextmanager
def command_process(*, warnings_too: bool = True) -> Iterator[Stopping]:
    """While a command runs, show this package's messages, hear signals, and import what lies here.

    A config may name classes of one's own in the working directory; what is installed comes first. Logging,
    warnings, signals and the path are left as they were.

    Args:
        warnings_too: whether warnings are for a user, and not for a program that called the command.
    """
    ours, handler = logging.getLogger("semdd_lightning"), _Messages()
    level, propagates, told = ours.level, ours.propagate, os.environ.get(_TORCH_LEVEL)
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    os.environ.setdefault(_TORCH_LEVEL, "ERROR")  # else stack traces where a process of many ends
    new = "" not in sys.path
    sys.path += [""] if new else []
    try:
        with warnings.catch_warnings(), stoppable() as stopping:
            for message in NOTHING_TO_DO_ABOUT:
                warnings.filterwarnings("ignore", message=message)
            if warnings_too:
                warnings.showwarning = handler.show_warning
            yield stopping
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)
        ours.propagate = propagates
        if told is None:
            os.environ.pop(_TORCH_LEVEL, None)
        if new and "" in sys.path:
            sys.path.remove("")


def mendable(error: BaseException | None) -> SemddError | None:
    """Our error, or the one that jsonargparse wrapped while it built what a config names, or the system's."""
    while error is not None and not isinstance(error, SemddError):
        said = str(error).partition("\n")[0]
        if isinstance(error, OSError) and is_of_disk(error):
            return disk_error(error, error.filename or "a file or the standard output", "use")
        if isinstance(error, ValueError) and "embedded null" in said:
            return DiskError("Expected paths that a file system can have, found one with a NUL; correct it.")
        if isinstance(error, MemoryError | RuntimeError) and re.search("allocate|out of memory", said):
            advice = "give smaller images, batches or networks"
            return ConfigError(f"Expected enough memory, found {said}; {advice}.")
        error = error.__cause__
    return error


def error_in_words(error: BaseException) -> str:
    """What a record says of an error, as a sentence: our message, else its type and text.

    Examples:
        >>> error_in_words(ValueError("no luck")), error_in_words(ConfigError("Expected luck; try again."))
        ('ValueError: no luck.', 'Expected luck; try again.')
    """
    found = mendable(error)
    return sentence(str(found) if found is not None else f"{type(error).__name__}: {error}".rstrip(": "))


def sentence(text: str) -> str:
    """What another one tells in its own words, with a full stop before ours go on."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


class _Messages(logging.Handler):
    """Writes each message once, to what is standard error now and not when the handler was made."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """A message of this package, harmless whatever names are in it."""
        try:
            self._say(record.getMessage())
        except Exception:  # as every handler does
            self.handleError(record)

    def show_warning(self, message: Warning | str, *_: object, **__: object) -> None:
        """What a warning says, without the file and line of a library, which say nothing to a user."""
        self._say(str(message), "Warning: ")

    def _say(self, message: str, before: str = "") -> None:
        if message not in self._said:  # a pool is looked at several times before it is used
            self._said.add(message)
            print(shown_message(f"{before}{message}"), file=sys.stderr)


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
        received: the first such signal; None so far.
        waits: whether somebody looks at ``received`` where work can be put down, so that nothing is torn.
        said: what is to be told beside the fact, as the command that goes on; None where another tells.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.waits = False
        self.said: str | None = "what was finished is kept, and the same command goes on."
        self._since = 0.0
        self._process = os.getpid()

    @property
    def status(self) -> int | None:
        """Exit status as a shell gives it: 130 after Ctrl-C, 143 after SIGTERM; None without a signal."""
        return None if self.received is None else 128 + self.received

    @property
    def message(self) -> str:
        """One sentence for whoever stopped it."""
        word = _WORDS[signal.Signals(self.received or signal.SIGINT)]
        return "" if self.said is None else f"\n{word}; {self.said}\n"

    def handle(self, signum: int, _: FrameType | None) -> None:
        """Note the signal, and unwind by `Stopped` unless somebody waits; a second Ctrl-C ends all."""
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
        """Unwind now, by `Stopped`, if a signal came."""
        if self.received is not None:
            self.leave()

    def leave(self) -> NoReturn:
        """Unwind now, by `Stopped`, where another process heard the signal, too."""
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
