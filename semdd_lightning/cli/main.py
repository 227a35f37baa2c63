"""Finds the command, runs it, and turns errors a user can mend into one clear message."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

from semdd_lightning import __version__
from semdd_lightning.errors import AuditError, DiskError
from semdd_lightning.experiment.config.options import check_variables
from semdd_lightning.experiment.process import command_process, current, mendable
from semdd_lightning.names import shown_message

COMMANDS = {
    "fit": ("experiment", "select images from a pool, train a student on them, test it"),
    "validate": ("experiment", "evaluate a student on the validation split"),
    "test": ("experiment", "evaluate a student on the test split"),
    "predict": ("experiment", "write a student's class probabilities for every image as a table"),
    "resume": ("resume", "go on with a training that was interrupted, from its directory alone"),
    "select": ("select", "choose images from a pool; needs no config and no student"),
    "pool": ("pool", "inspect: say which layout an image pool has and what it holds; make: make one"),
    "audit": ("audit", "say whether the folders of a pool hold the classes they are named for"),
    "relabel": ("relabel", "store a teacher's soft labels, so that students learn without it"),
    "open": ("open_page", "show what a selection chose or a comparison found in the browser"),
    "verify": ("verify", "make a finished run's selection again and say whether it is the same"),
    "apply": ("apply", "pick the images of a published selection out of your copy of its pool"),
    "export": ("export", "write a selection for others: Hugging Face data set, WebDataset shards, folders"),
    "compare": ("compare", "train with several samplers and seeds and compare them in one table"),
    "tune": ("tune", "search parameters of a sampler and of training, out of reach of the test"),
    "plot": ("plot", "tables and figures of a comparison, again or to another baseline"),
}
BAD_INPUT = 2
REFUSED = 3
PIPE_CLOSED = 141

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
        args: what stands after ``semdd``; by default, that of the process.

    Returns:
        The exit status: 0, 1 for a check that failed, 2 for bad input, 3 for a pool whose classes are not
        those of its images, 130 after Ctrl-C, 143 after SIGTERM, 141 where nobody reads the output any more.
    """
    argv = list(sys.argv[1:] if args is None else args)
    if not argv or argv[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        lines = "\n".join(f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items())
        print(HELP.format(commands=lines), end="")
        return 0
    if argv[0] == "--version":
        print(f"semdd-lightning {__version__}")
        return 0
    command = argv[0]
    if command not in COMMANDS:
        close = get_close_matches(command, COMMANDS, n=1)
        advice = f"did you mean `semdd {close[0]}`?" if close else "see `semdd --help`."
        return _refuse(f"Expected one of {', '.join(COMMANDS)}, found {command!r}; {advice}")
    with command_process(warnings_too=args is None) as stopping:
        try:
            return _run(command, argv[1:])
        except BaseException as error:  # libraries make others of a signal, as where it ended a worker
            if isinstance(error, KeyboardInterrupt):
                stopping.received = stopping.received or signal.SIGINT
            if stopping.status is None:
                raise
        print(stopping.message, end="", file=sys.stderr)
        return stopping.status


def _run(command: str, argv: list[str]) -> int:
    try:
        module = COMMANDS[command][0]
        if module != "experiment":  # which alone reads variables as options
            check_variables(command)
        status: int = import_module(f"semdd_lightning.cli.{module}").run(command, argv)
        sys.stdout.flush()  # what cannot be written shall be said here, not by a dying interpreter
    except BrokenPipeError:  # whoever read this has read enough
        _drop_output()
        return PIPE_CLOSED
    except Exception as error:
        known = mendable(error)
        if known is None or current().received is not None:
            raise
        if isinstance(known, DiskError):
            _drop_output()
        _refuse(f"semdd {command}: {known}")
        return REFUSED if isinstance(known, AuditError) else BAD_INPUT
    return status


def _drop_output() -> None:
    """Let what is still to be printed go nowhere, where standard output is what failed."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(message: str) -> int:
    print(shown_message(message), file=sys.stderr)
    return BAD_INPUT
