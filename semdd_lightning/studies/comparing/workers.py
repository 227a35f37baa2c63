"""Cells side by side: in processes of this machine, or as an array of SLURM."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from semdd_lightning.evaluation import Cell
from semdd_lightning.experiment.process import command_process
from semdd_lightning.studies.comparing.progress import CellsProgress
from semdd_lightning.studies.comparing.runs import Runs
from semdd_lightning.training.teachers import answers_shared

PATIENCE_S = 60.0  # for a training to be put down where a step has ended
_DEVICES = "CUDA_VISIBLE_DEVICES"


def run_here(runs: Runs, indexes: Sequence[int], progress: CellsProgress | None = None) -> None:
    """Run some cells in this process, one after another.

    Args:
        runs: the cells.
        indexes: which of them.
        progress: who wants to know.
    """
    with answers_shared():
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
    waiting, workers = deque(indexes), list[_Worker]()
    try:
        while waiting or workers:
            free = set(range(jobs)) - {worker.number for worker in workers}
            for number, index in zip(sorted(free), list(waiting), strict=False):
                workers.append(_Worker(runs, number, jobs, waiting.popleft()))
                progress.begun(runs.cells[index])
            heard = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in heard]:
                progress.ended(worker.hear())
                if worker.alive and waiting:
                    progress.begun(runs.cells[waiting[0]])
                    worker.tell(waiting.popleft())
                else:
                    worker.leave()
                    workers.remove(worker)
    finally:
        _stop([worker.process for worker in workers])


class _Worker:
    """A process that runs the cells it is told, one after another.

    Args:
        runs: the cells.
        number: place among those that run side by side.
        jobs: how many these are.
        index: its first cell.
    """

    def __init__(self, runs: Runs, number: int, jobs: int, index: int) -> None:
        # forked, where that is safe, off a process that has imported everything and touched no device
        context = get_context("forkserver") if sys.platform == "linux" else get_context("spawn")
        context.set_forkserver_preload([__name__])
        self.runs, self.number, self.alive = runs, number, True
        self.connection, other = context.Pipe()
        arguments = (other, runs, number, jobs, dict(os.environ))
        self.process: BaseProcess = context.Process(target=_serve, args=arguments)
        self.process.start()
        other.close()  # so that its end is heard here
        self.tell(index)

    def tell(self, index: int) -> None:
        """Let it run a cell; whether it can is heard later."""
        self.index = index
        with suppress(ConnectionError):
            self.connection.send(index)

    def hear(self) -> Cell:
        """What became of its cell: it is done, or the process died over it."""
        try:
            self.connection.recv()
            self.runs.read()
        except (EOFError, ConnectionError):
            self.process.join()
            self.alive = False
            self.runs.read()
            if self.runs.cells[self.index].state == "waiting":
                error = f"The process that ran it ended with {_ending(self.process.exitcode)}."
                self.runs.keep(self.index, replace(self.runs.cells[self.index], state="failed", error=error))
        return self.runs.cells[self.index]

    def leave(self) -> None:
        """There is nothing more for it to do."""
        with suppress(ConnectionError):
            self.connection.send(None)
        self.process.join()


def _ending(code: int | None) -> str:
    return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"status {code}"


def _serve(connection: Connection, runs: Runs, number: int, jobs: int, variables: Mapping[str, str]) -> None:
    """Run cells until there are none; a signal ends it as it ends a command."""
    os.environ.clear()  # the process that it was forked off has those of an earlier time
    os.environ.update(variables)
    visible = os.environ.get(_DEVICES) or ",".join(map(str, range(torch.cuda.device_count())))
    if devices := [device for device in visible.split(",") if device]:
        os.environ[_DEVICES] = devices[number % len(devices)]
    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    with command_process() as stopping, answers_shared():
        try:
            while (index := connection.recv()) is not None:
                runs.run(index)
                connection.send(index)
        except EOFError:  # nobody is there any more to tell what is next
            return
        except BaseException:
            if stopping.status is None:
                raise


def _stop(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
