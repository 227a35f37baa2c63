"""Cells in this process, side by side in processes of this machine, or as an array of SLURM (submitit)."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.options import parse_value
from semdd_lightning.experiment.process import command_process, sentence
from semdd_lightning.studies.reporting import CellsProgress
from semdd_lightning.studies.runs import Runs
from semdd_lightning.training.teachers.checked import answers_shared

PATIENCE_S = 60.0  # for a training to be put down where a step has ended
POLL_S = 1.0
FOLDER = "slurm"  # below a comparison's: scripts and what the jobs said
_DEVICES = "CUDA_VISIBLE_DEVICES"
_OF_ANY = {  # what submitit calls the same for every cluster; the rest is SLURM's own
    *("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node"),
    *("stderr_to_stdout", "cluster"),
}


def run_here(progress: CellsProgress, indexes: Sequence[int]) -> None:
    """Run some cells in this process, one after another.

    Args:
        progress: that of the cells.
        indexes: which of them.
    """
    with answers_shared():
        for index in indexes:
            progress.begun(index)
            progress.runs.run(index)
            progress.ended(index)


def run_side_by_side(progress: CellsProgress, indexes: Sequence[int], jobs: int) -> None:
    """Run cells in several processes, each as soon as one is free.

    Args:
        progress: that of the cells.
        indexes: which of them.
        jobs: most processes at a time.
    """
    waiting, workers = deque(indexes), list[_Worker]()
    try:
        while waiting or workers:
            free = set(range(jobs)) - {worker.number for worker in workers}
            for number, index in zip(sorted(free), list(waiting), strict=False):
                workers.append(_Worker(progress.runs, number, jobs, waiting.popleft()))
                progress.begun(index)
            heard = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in heard]:
                worker.hear()
                progress.ended(worker.index)
                if worker.alive and waiting:
                    progress.begun(waiting[0])
                    worker.tell(waiting.popleft())
                else:
                    worker.leave()
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(PATIENCE_S)
            worker.process.kill()
            worker.process.join()


class _Worker:
    """One of several processes, by its number, that runs the cells it is told, one after another."""

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
        self.index = index
        with suppress(ConnectionError):  # heard later
            self.connection.send(index)

    def hear(self) -> None:
        with suppress(EOFError, ConnectionError):
            self.connection.recv()
            self.runs.read()
            return
        self.process.join()
        self.alive, code = False, self.process.exitcode
        ending = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"status {code}"
        self.runs.read()
        _note_what_died(self.runs, [self.index], f"The process that ran it ended with {ending}.")

    def leave(self) -> None:
        with suppress(ConnectionError):
            self.connection.send(None)
        self.process.join()


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


def slurm_parameters(words: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` of the command line as submitit has them.

    Raises:
        ConfigError: if a word is no such pair.

    Examples:
        >>> slurm_parameters(["partition=gpu", "timeout_min=90", "cluster=local"])
        {'slurm_partition': 'gpu', 'timeout_min': 90, 'cluster': 'local'}
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            msg = f"Expected --slurm KEY=VALUE, as partition=gpu, found {word!r}; correct it."
            raise ConfigError(msg)
        own = name in _OF_ANY or name.startswith("slurm_")
        found[name if own else f"slurm_{name}"] = parse_value(value)
    return found


def run_on_slurm(
    progress: CellsProgress, indexes: Sequence[int], parameters: Mapping[str, Any], jobs: int | None
) -> None:
    """Submit cells as an array, and wait for them.

    Args:
        progress: that of the cells.
        indexes: which of them.
        parameters: what `slurm_parameters` gives; ``cluster=local`` runs them on this machine.
        jobs: tasks of the array, which share the cells (default: one per cell).

    Raises:
        ConfigError: if submitit is not there, or refuses a parameter.
    """
    given, runs = dict(parameters), progress.runs
    try:
        from submitit import AutoExecutor

        executor = AutoExecutor(runs.out / FOLDER, cluster=given.pop("cluster", None))
        executor.update_parameters(**{"name": "semdd", **given})
    except ImportError as error:
        msg = "Expected submitit for --slurm, found none; pip install 'semdd-lightning[slurm]'."
        raise ConfigError(msg) from error
    except (RuntimeError, NameError, TypeError, ValueError) as error:
        msg = f"Expected a SLURM cluster and its parameters, found {error}; correct --slurm."
        raise ConfigError(msg) from error
    count = min(jobs or len(indexes), len(indexes))
    tasks = [list(indexes[number::count]) for number in range(count)]
    array = executor.map_array(_run_task, [runs] * count, tasks)
    try:
        _wait(progress, list(zip(tasks, array, strict=True)))
    except BaseException:
        for job in array:
            job.cancel()
        raise


def _run_task(runs: Runs, indexes: Sequence[int]) -> None:
    with command_process(), answers_shared():
        for index in indexes:
            runs.run(index)


def _wait(progress: CellsProgress, array: list[tuple[list[int], Any]]) -> None:
    runs, left = progress.runs, sorted(index for task, _ in array for index in task)
    for index in left:
        progress.begun(index)
    while array:
        ended = [job.done() for _, job in array]
        runs.read()
        for (task, job), is_done in zip(array, ended, strict=True):
            if is_done and (error := job.exception()) is not None:
                said = f"Its SLURM task ended: {str(error).strip().splitlines()[-1]}"
                _note_what_died(runs, task, sentence(said))
        array = [entry for entry, is_done in zip(array, ended, strict=True) if not is_done]
        for index in [index for index in left if runs.cells[index].state != "waiting"]:
            left.remove(index)
            progress.ended(index)
        if array:
            time.sleep(POLL_S)


def _note_what_died(runs: Runs, indexes: Sequence[int], error: str) -> None:
    for index in indexes:
        if runs.cells[index].state == "waiting":
            runs.keep(index, replace(runs.cells[index], state="failed", error=error))
