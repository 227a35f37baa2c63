"""Cells as an array of SLURM, through submitit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.options import parse_value
from semdd_lightning.experiment.process import command_process, sentence
from semdd_lightning.studies.comparing.progress import CellsProgress
from semdd_lightning.studies.comparing.runs import Runs
from semdd_lightning.studies.comparing.workers import run_here

FOLDER = "slurm"  # below a comparison's: scripts and what the jobs said
POLL_S = 1.0
OF_ANY = {  # what submitit calls the same for every cluster; the rest is SLURM's own
    *("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node"),
    "stderr_to_stdout",
}


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
        own = name in OF_ANY or name == "cluster" or name.startswith("slurm_")
        found[name if own else f"slurm_{name}"] = parse_value(value)
    return found


def run_on_slurm(
    runs: Runs,
    indexes: Sequence[int],
    parameters: Mapping[str, Any],
    jobs: int | None,
    progress: CellsProgress,
) -> None:
    """Submit cells as an array, and wait for them.

    Args:
        runs: the cells.
        indexes: which of them.
        parameters: what `slurm_parameters` gives; ``cluster=local`` runs them on this machine.
        jobs: tasks of the array, which share the cells; none for one a cell.
        progress: who wants to know.

    Raises:
        ConfigError: if submitit is not there, or refuses a parameter.
    """
    given = dict(parameters)
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
    tasks = [list(indexes[number :: jobs or len(indexes)]) for number in range(jobs or len(indexes))]
    tasks = [task for task in tasks if task]
    array = executor.map_array(run_task, [runs] * len(tasks), tasks)
    try:
        _wait(runs, dict(zip(map(tuple, tasks), array, strict=True)), progress)
    except BaseException:
        for job in array:
            job.cancel()
        raise


def run_task(runs: Runs, indexes: Sequence[int]) -> None:
    """What one task of the array does."""
    with command_process():
        run_here(runs, indexes)


def _wait(runs: Runs, array: dict[tuple[int, ...], Any], progress: CellsProgress) -> None:
    """Tell what becomes of the cells until no task is left."""
    left = {index for task in array for index in task}
    for index in sorted(left):
        progress.begun(runs.cells[index])
    while array:
        ended = [task for task, job in array.items() if job.done()]
        runs.read()
        for task in ended:
            _note_what_died(runs, task, array.pop(task))
        for index in sorted(left):
            if runs.cells[index].state != "waiting":
                left.remove(index)
                progress.ended(runs.cells[index])
        if array:
            time.sleep(POLL_S)


def _note_what_died(runs: Runs, task: tuple[int, ...], job: Any) -> None:  # noqa: ANN401 - submitit's
    error = job.exception()
    for index in task if error is not None else ():
        if runs.cells[index].state == "waiting":
            said = sentence(f"Its SLURM task ended: {str(error).strip().splitlines()[-1]}")
            runs.keep(index, replace(runs.cells[index], state="failed", error=said))
