"""Students trained at once on one machine: `python -m benchmarks.seeds_per_hour`.

A process a student, the cores shared among them evenly. Trainings of `--of` passes are counted in an hour, by
the speed of those that are timed; the share of an hour that starting takes is left out.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks.measuring import Ratio, Result, arguments, in_turns, paired
from benchmarks.timed_fit import our_seconds
from benchmarks.training_task import TrainingTask


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = arguments("seeds_per_hour", __doc__, "a small form of it")
    parser.add_argument("--student", default="conv3", help="short name of student and teacher")
    parser.add_argument("--passes", type=int, default=9, help="passes that are timed")
    parser.add_argument("--processes", type=int, default=2, help="students at once")
    parser.add_argument("--of", type=int, default=300, help="passes of a whole training")
    options = parser.parse_args()
    if options.quick:
        result = quick()
    else:
        with tempfile.TemporaryDirectory() as root:
            task = TrainingTask(Path(root), options.student, passes=options.passes, skipped=1)
            result = measure(task, options.processes, options.of, options.rounds)
    result.publish(options.json)


def quick() -> Result:
    """Images of 8 px, two at once."""
    with tempfile.TemporaryDirectory() as root:
        return measure(TrainingTask(Path(root), image_size=8, passes=9, skipped=1), rounds=2)


def measure(task: TrainingTask, processes: int = 2, of: int = 300, rounds: int = 5) -> Result:
    """Time one student with all cores, and several with their share, in turns.

    Args:
        task: What each process trains.
        processes: Students at once.
        of: Passes of a whole training.
        rounds: Rounds that count.
    """
    tasks = [replace(task, root=task.root / str(index)).write() for index in range(processes)]
    counts = {"one": 1, f"{processes} at once": processes}
    pools = {name: pool_of(count) for name, count in counts.items()}
    contestants = {name: partial(_together, pools[name], tasks[:count]) for name, count in counts.items()}
    seconds = in_turns(contestants, rounds)
    for pool in pools.values():
        pool.shutdown()
    one, several = seconds.values()
    figures = {
        f"seeds an hour, {name}": count * 3600 / (median(seconds[name]) * of / task.passes)
        for name, count in counts.items()
    }
    ratio = Ratio(f"{processes} at once / one after another", processes * paired(one, several))
    settings = {"student": task.student, "passes": task.passes, "of": of, "processes": processes}
    return Result("seeds_per_hour", settings, [ratio], seconds, figures)


def pool_of(processes: int) -> Executor:
    """Processes that share the threads of this one evenly."""
    threads = max(1, torch.get_num_threads() // processes)
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, spawn, torch.set_num_threads, (threads,))


def _together(pool: Executor, tasks: list[TrainingTask]) -> float:
    """Seconds of the slowest of several trainings at once."""
    return max(pool.map(our_seconds, tasks))


if __name__ == "__main__":
    main()
