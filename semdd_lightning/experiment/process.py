"""The process of a command: what it says on standard error, each message once, and what it may import."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from semdd_lightning.atomic import disk_error, is_of_disk
from semdd_lightning.errors import ConfigError, DiskError, SemddError
from semdd_lightning.names import shown_message

NOTHING_TO_DO_ABOUT = (
    ".*(Checkpoint|Experiment logs) directory .* exists and is not empty.*",  # the run's own
    ".*does not have many workers.*",  # images in memory need none
    ".*smaller than the logging interval.*",  # losses are logged once an epoch
    ".*Total length of `list` across ranks is zero.*",  # there need not be a validation split
    ".*The dirpath has changed from.*",  # every run has its own, a resumed one too
    ".*Couldn't infer the batch indices.*",  # predictions carry their rows
    ".*`tensorboardX` has been removed.*",
    ".*LeafSpec.*",
)
_TORCH_LEVEL = "TORCH_CPP_LOG_LEVEL"
_NO_MEMORY = re.compile("allocate|out of memory")


@contextmanager
def shown_messages(*, warnings_too: bool) -> Iterator[None]:
    """Show this package's messages as long as a command runs, and leave logging and warnings as they were.

    Args:
        warnings_too: whether warnings are for a user, and not for a program that called the command.
    """
    ours, handler = logging.getLogger("semdd_lightning"), _Messages()
    level, propagates, told = ours.level, ours.propagate, os.environ.get(_TORCH_LEVEL)
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    os.environ.setdefault(_TORCH_LEVEL, "ERROR")  # else stack traces where a process of many ends
    try:
        with warnings.catch_warnings():
            for message in NOTHING_TO_DO_ABOUT:
                warnings.filterwarnings("ignore", message=message)
            if warnings_too:
                warnings.showwarning = handler.show_warning
            yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)
        ours.propagate = propagates
        if told is None:
            os.environ.pop(_TORCH_LEVEL, None)


@contextmanager
def classes_from_here() -> Iterator[None]:
    """Let a config name classes of one's own in the working directory; what is installed comes first."""
    new = "" not in sys.path
    if new:
        sys.path.append("")
    try:
        yield
    finally:
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
        if isinstance(error, MemoryError | RuntimeError) and _NO_MEMORY.search(said):
            msg = f"Expected enough memory, found {said}; give smaller images, batches or networks."
            return ConfigError(msg)
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


class _Messages(logging.StreamHandler[TextIO]):
    """Writes each message once, to what is standard error now and not when the handler was made."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is new."""
        return self._is_new(record.getMessage())

    def format(self, record: logging.LogRecord) -> str:
        """The message, harmless whatever names are in it."""
        return shown_message(record.getMessage())

    def show_warning(self, message: Warning | str, *_: object, **__: object) -> None:
        """What a warning says, without the file and line of a library, which say nothing to a user."""
        if self._is_new(str(message)):
            print(shown_message(f"Warning: {message}"), file=sys.stderr)

    def _is_new(self, message: str) -> bool:
        """Whether this command has not said it yet: a pool is looked at several times before it is used."""
        new = message not in self._said
        self._said.add(message)
        return new

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """Kept out: the base class remembers its first stream here."""
