"""Cells side by side: in processes of this machine, or as an array of SLURM."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import torch

from semdd_lightning.cli.comparing.progress import CellsProgress
from semdd_lightning.cli.comparing.runs import Runs
from semdd_lightning.cli.main import classes_from_here
from semdd_lightning.cli.messages import shown_messages
from semdd_lightning.cli.stopping import stoppable

PATIENCE_S = 60.0  # for a training to be put down where a step has ended
_DEVICES = "CUDA_VISIBLE_DEVICES"


def run_here(runs: Runs, indexes: Sequence[int], progress: CellsProgress | None = None) -> None:
    """Run some cells in this process, one after another.

    Args:
        runs: the cells.
        indexes: which of them.
        progress: who wants to know.
    """
    for index in indexes:
        if progress is not None:
            progress.begun(runs.cells[index])
        runs.run(index)
        if progress is not None:
            progress.ended(runs.cells[index])


def run_side_by_side(runs: Runs, indexes: Sequence[int], jobs: int, progress: CellsProgress) -> None:
    """Run cells in several processes, each as soon as one is free.

    Args:
        runs: the cells.
        indexes: which of them.
        jobs: most processes at a time.
        progress: who wants to know.
    """
    waiting, workers = deque(indexes), dict[Connection, _Worker]()
    try:
        for number in range(min(jobs, len(waiting))):
            worker = _Worker(runs, number, jobs)
            workers[worker.connection] = worker
        while workers:
            for worker in list(workers.values()):
                if worker.index is None and waiting:
                    worker.index = waiting.popleft()
                    progress.begun(runs.cells[worker.index])
                    worker.connection.send(worker.index)
                elif worker.index is None:
                    worker.connection.send(None)
                    worker.process.join()
                    del workers[worker.connection]
            for connection in wait(list(workers), timeout=1.0):
                _hear(runs, workers, connection, jobs, progress)  # type: ignore[arg-type]
    finally:
        _stop([worker.process for worker in workers.values()])


class _Worker:
    """A process that runs the cells it is told, and its end of the line."""

    def __init__(self, runs: Runs, number: int, jobs: int) -> None:
        context = get_context("spawn")
        self.number = number
        self.index: int | None = None  # of the cell that it runs
        self.connection, other = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(other, runs, number, jobs))
        self.process.start()
        other.close()  # so that its end is heard here


def _hear(
    runs: Runs, workers: dict[Connection, _Worker], connection: Connection, jobs: int, progress: CellsProgress
) -> None:
    """A worker is done with its cell, or died over it."""
    worker = workers[connection]
    index = worker.index
    worker.index = None
    with suppress(EOFError, ConnectionError):
        connection.recv()
        runs.read()
        progress.ended(runs.cells[index or 0])
        return
    worker.process.join()
    del workers[connection]
    if index is not None:
        runs.read()
        error = f"The process that ran it ended with {_ending(worker.process.exitcode)}."
        runs.keep(index, replace(runs.cells[index], state="failed", error=error, top1=None))
        progress.ended(runs.cells[index])
        another = _Worker(runs, worker.number, jobs)
        workers[another.connection] = another


def _ending(code: int | None) -> str:
    return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"status {code}"


def _serve(connection: Connection, runs: Runs, number: int, jobs: int) -> None:
    """Run cells until there are none; a signal ends it as it ends a command."""
    visible = os.environ.get(_DEVICES) or ",".join(map(str, range(torch.cuda.device_count())))
    if devices := [device for device in visible.split(",") if device]:
        os.environ[_DEVICES] = devices[number % len(devices)]
    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    with shown_messages(warnings_too=True), classes_from_here(), stoppable() as stopping:
        try:
            while (index := connection.recv()) is not None:
                runs.run(index)
                connection.send(index)
        except EOFError:  # nobody is there any more to tell what is next
            return
        except BaseException:
            if stopping.status is None:
                raise


def _stop(processes: Sequence[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
