"""Finds the command, runs it, and turns errors a user can mend into one clear message."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TextIO

from semdd_lightning import __version__
from semdd_lightning.atomic import disk_error, is_of_disk
from semdd_lightning.cli.stopping import current, stoppable
from semdd_lightning.errors import AuditError, ConfigError, DiskError, SemddError
from semdd_lightning.names import shown_message

COMMANDS = {
    "fit": ("experiment", "select images from a pool, train a student on them, test it"),
    "validate": ("experiment", "evaluate a student on the validation split"),
    "test": ("experiment", "evaluate a student on the test split"),
    "predict": ("experiment", "write a student's class probabilities for every image as a table"),
    "resume": ("resume", "go on with a training that was interrupted, from its directory alone"),
    "select": ("select", "choose images from a pool; needs no config and no student"),
    "pool": ("pool", "inspect: say which layout an image pool has and what it holds"),
    "audit": ("audit", "say whether the folders of a pool hold the classes they are named for"),
    "relabel": ("relabel", "store a teacher's soft labels, so that students learn without it"),
    "verify": ("verify", "make a finished run's selection again and say whether it is the same"),
    "compare": ("compare", "train with several samplers and seeds and compare them in one table"),
}
BAD_INPUT = 2
REFUSED = 3
PIPE_CLOSED = 141
_NO_MEMORY = re.compile("allocate|out of memory")

HELP = """usage: semdd COMMAND [options]

Choose the few images per class of a pool on which students learn best, and measure what they learn.

commands:
{commands}

options:
  -h, --help  show this; `semdd COMMAND --help` explains one command
  --version   show the version

A first run, offline, in about a minute:
  semdd fit --config quickstart.yaml

Your own pool, whatever its layout: what it holds, and its best images by CLIP:
  semdd pool inspect my_pool
  semdd select my_pool --ipc 10 --prior ViT-B-32-quickgelu:openai --out chosen

Any option of a config can be overridden: semdd fit --config cifar10.yaml --data.ipc 50
Every option and its default, as a config to start from: semdd fit --config cifar10.yaml --print_config
"""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        args: words after ``semdd``; none takes them from the command line.

    Returns:
        The exit status: 0, 1 for a check that failed, 2 for bad input, 3 for a pool whose classes are not
        those of its images, 130 after Ctrl-C, 143 after SIGTERM, 141 where nobody reads the output any more.
    """
    words = list(sys.argv[1:] if args is None else args)
    if args is None:  # a process of our own, whose warnings are for a user and not for a test
        warnings.showwarning = _show_warning
    if not words or words[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        lines = "\n".join(f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items())
        print(HELP.format(commands=lines), end="")
        return 0
    if words[0] == "--version":
        print(f"semdd-lightning {__version__}")
        return 0
    command = words[0]
    if command not in COMMANDS:
        return _refuse(f"Expected one of {', '.join(COMMANDS)}, found {command!r}; see `semdd --help`.")
    _set_up_messages()
    if "" not in sys.path:
        sys.path.append("")  # classes of one's own in the working directory; what is installed comes first
    with stoppable() as stopping:
        try:
            return _run(command, words[1:])
        except BaseException as error:  # libraries make others of a signal, as where it ended a worker
            if isinstance(error, KeyboardInterrupt):
                stopping.received = stopping.received or signal.SIGINT
            if stopping.status is None:
                raise
        print(stopping.message, end="", file=sys.stderr)
        return stopping.status


def _run(command: str, words: list[str]) -> int:
    try:
        status: int = import_module(f"semdd_lightning.cli.{COMMANDS[command][0]}").run(command, words)
        sys.stdout.flush()  # what cannot be written shall be said here, not by a dying interpreter
    except BrokenPipeError:  # whoever read this has read enough
        _drop_output()
        return PIPE_CLOSED
    except Exception as error:
        mendable = _mendable(error)
        if mendable is None or current().received is not None:
            raise
        if isinstance(mendable, DiskError):
            _drop_output()
        _refuse(f"semdd {command}: {mendable}")
        return REFUSED if isinstance(mendable, AuditError) else BAD_INPUT
    return status


def _mendable(error: BaseException | None) -> SemddError | None:
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


def _drop_output() -> None:
    """Let what is still to be printed go nowhere, where standard output is what failed."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(message: str) -> int:
    print(shown_message(message), file=sys.stderr)
    return BAD_INPUT


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """What a warning says, without the file and line of a library, which say nothing to a user."""
    if _is_new(str(message)):
        print(shown_message(f"Warning: {message}"), file=sys.stderr if file is None else file)


_said: set[str] = set()


def _is_new(message: str) -> bool:
    """Whether this command has not said it yet: a pool is looked at several times before it is used."""
    new = message not in _said
    _said.add(message)
    return new


class _Messages(logging.StreamHandler[TextIO]):
    """Writes each message once, to what is standard error now and not when the handler was made."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is new."""
        return _is_new(record.getMessage())

    def format(self, record: logging.LogRecord) -> str:
        """The message, harmless whatever names are in it."""
        return shown_message(record.getMessage())

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """Kept out: the base class remembers its first stream here."""


def _set_up_messages() -> None:
    """Our own messages to stderr, without warnings that a user can do nothing about."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # else stack traces where a process of many ends
    ours = logging.getLogger("semdd_lightning")
    if not any(isinstance(handler, _Messages) for handler in ours.handlers):
        ours.addHandler(_Messages())
        ours.setLevel(logging.INFO)
        ours.propagate = False
    _said.clear()
    for message in (
        ".*LightningCLI's args parameter.*",  # ours are the command line's, with configs resolved
        ".*(Checkpoint|Experiment logs) directory .* exists and is not empty.*",  # the run's own
        ".*does not have many workers.*",  # images in memory need none
        ".*smaller than the logging interval.*",  # losses are logged once an epoch
        ".*Total length of `list` across ranks is zero.*",  # there need not be a validation split
        ".*The dirpath has changed from.*",  # every run has its own, a resumed one too
        ".*Couldn't infer the batch indices.*",  # predictions carry their rows
        ".*`tensorboardX` has been removed.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message=message)
