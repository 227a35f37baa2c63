"""Which part of the work is this process's: a shard by name, a SLURM array task, or a rank of torchrun."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from semdd_lightning.errors import ConfigError


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 0) of `count` parts."""

    index: int = 0
    count: int = 1


def find_shard(asked: str | None, environment: Mapping[str, str]) -> Shard:
    """The shard that was asked for, else that of the array task and of the rank of torchrun or srun in it.

    Args:
        asked: ``I/N``, I from 0 to N - 1 (default: what the environment says).
        environment: variables of the process.

    Raises:
        ConfigError: if it is no shard, or an array's numbers leave gaps.

    >>> find_shard("1/4", {}), find_shard(None, {})
    (Shard(index=1, count=4), Shard(index=0, count=1))
    >>> array = {"ID": "3", "COUNT": "3", "MIN": "1"}
    >>> find_shard(None, {f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()})
    Shard(index=2, count=3)
    >>> find_shard(None, {"RANK": "1", "WORLD_SIZE": "2"})
    Shard(index=1, count=2)
    """
    if asked is not None:
        found = re.fullmatch(r"(\d+)/(\d+)", asked)
        shard = Shard(*map(int, found.groups())) if found else Shard(0, 0)
        return _checked(shard, f"--shard I/N with I from 0 to N - 1, found {asked!r}; give as 0/4")

    def number(name: str, default: int) -> int:
        text = environment.get(name, str(default))
        if not text.isdecimal():
            msg = f"Expected {name} to be a whole number, found {text!r}; correct it, or give --shard I/N."
            raise ConfigError(msg)
        return int(text)

    place = number("SLURM_ARRAY_TASK_ID", 0) - number("SLURM_ARRAY_TASK_MIN", 0)
    array = Shard(place // max(1, number("SLURM_ARRAY_TASK_STEP", 1)), number("SLURM_ARRAY_TASK_COUNT", 1))
    advice = "array tasks without gaps, as --array=0-7, found others; give --shard I/N to each"
    array = _checked(array, advice)
    # a batch script is no step and has a number without a count: only `srun` starts several
    torchrun, srun = ("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
    names = torchrun if torchrun[1] in environment else srun
    if names[1] not in environment:
        return array
    rank = Shard(number(names[0], 0), number(names[1], 1))
    rank = _checked(rank, f"{names[0]} below {names[1]}, found {rank.index} and {rank.count}; correct them")
    return Shard(array.index * rank.count + rank.index, array.count * rank.count)


def _checked(shard: Shard, expected: str) -> Shard:
    if not 0 <= shard.index < shard.count:
        msg = f"Expected {expected}."
        raise ConfigError(msg)
    return shard
