"""Commands in several processes at once, forked off one that has imported everything: that takes seconds."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_IMPORTED = ["semdd_lightning.experiment.experiment", "semdd_lightning.experiment.relabelling", "open_clip"]
_RUN = """
import os, runpy, sys
for stream, name in ((1, "stdout"), (2, "stderr")):
    os.dup2(os.open(f"{log}.{name}", os.O_WRONLY | os.O_CREAT), stream)
os.chdir(folder)
os.environ.update(environment)
import torch
torch.set_num_threads(threads)
for words in commands:
    sys.argv = [program, *words]
    try:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise
"""


@dataclass(frozen=True)
class Ended:
    """What became of a process."""

    status: int | None
    stdout: str
    stderr: str


def run_together(
    commands: Sequence[Sequence[str]],
    environments: Sequence[Mapping[str, str]],
    folder: Path,
    logs: Path,
    program: str = "semdd_lightning",
) -> list[Ended]:
    """Run the same commands, one after the other, in as many processes as there are environments.

    Each goes as ``python -m program`` does, which is how Lightning starts another process beside it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    processes = []
    for rank, environment in enumerate(environments):
        threads = torch.get_num_threads()  # other sums end in other last bits; Lightning heeds the variable
        names: dict[str, Any] = {"log": str(logs / str(rank)), "folder": str(folder), "threads": threads}
        names |= {"program": program, "commands": [*map(list, commands)]}
        names["environment"] = {**os.environ, "OMP_NUM_THREADS": str(threads), **environment}
        process = context.Process(target=exec, args=(_RUN, names))
        process.start()
        processes.append(process)
    for process in processes:
        process.join(120)
        process.kill()
    return [
        Ended(process.exitcode, *((logs / f"{rank}.{name}").read_text() for name in ("stdout", "stderr")))
        for rank, process in enumerate(processes)
    ]


def free_port() -> str:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])
