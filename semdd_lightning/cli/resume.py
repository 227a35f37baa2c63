"""``semdd resume``: go on with a training that something ended, from its directory alone."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from semdd_lightning.cli.options import command_parser
from semdd_lightning.experiment.run.directory import resume_argv, working_directory

_STARTED_IN = "SEMDD_STARTED_IN"
EPILOG = """example:
  semdd resume runs/cifar10/2026-01-31_12-00-00

What was trained is not trained again: the run goes on from its last.ckpt, in its own directory, and ends with
the numbers that it would have had undisturbed, on one device to the last bit. A comparison of `semdd compare`
and a search of `semdd tune` go on with their first unfinished run. The same command as before does this too,
if it names the directory (--run.directory, --out); a finished run is left alone.
"""


def run(command: str, argv: list[str]) -> int:
    """Go on with one run; exit status as of the command that began it."""
    parser = command_parser(
        "resume", "Go on with an interrupted `semdd fit`, `semdd compare` or `semdd tune`.", EPILOG
    )
    parser.add_argument("run", type=Path, help="directory of the interrupted run")
    given: Path = parser.parse_args(argv).run.expanduser()
    started_in = os.environ.get(_STARTED_IN) or str(Path.cwd())
    directory = Path(started_in).absolute() / given
    name, *rest = resume_argv(directory)
    os.environ[_STARTED_IN] = started_in  # for processes that Lightning starts with this command line
    try:
        with suppress(OSError):  # a run that was moved to another machine
            os.chdir(working_directory(directory))
        module = "experiment" if name == "fit" else name
        status: int = import_module(f"semdd_lightning.cli.{module}").run(name, rest)
    finally:
        del os.environ[_STARTED_IN]
    return status
