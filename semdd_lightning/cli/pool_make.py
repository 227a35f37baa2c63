"""``semdd pool make``: a pool of real images, real crops or generated images, made here."""

from __future__ import annotations

import os
import time
from dataclasses import fields

import torch
from rich.console import Console

from semdd_lightning.cli.pool_make_options import parse_options, task_of
from semdd_lightning.errors import AuditError, ConfigError, PoolError
from semdd_lightning.generation import (
    PoolMaking,
    PoolRecord,
    Rounds,
    find_generator,
    find_shard,
    make_best,
    pool_differences,
)
from semdd_lightning.generation.rounds import STRANGE
from semdd_lightning.given import pick_device
from semdd_lightning.names import command
from semdd_lightning.report.tables import print_next_commands


def run(argv: list[str]) -> int:
    """Make a pool, or this process's share of it."""
    options = parse_options(argv)
    task, kind = task_of(options), find_generator(options.generator)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type] # a dataclass, as all of them are
    generator = kind(**{name: options[name] for name in names})
    started, shard = time.monotonic(), find_shard(options.shard, os.environ)
    rounds = None
    if options.keep_best is not None and task.prior is not None:
        rounds = Rounds(options.keep_best, options.images_per_class, task.prior)
        if shard.count > 1:
            msg = f"Expected one process with --keep-best, which looks at all classes, found {shard.count}."
            raise ConfigError(f"{msg[:-1]}; leave the shards out.")
    device = pick_device(options.device or _device_of_rank())
    choosing = None if rounds is None else rounds.facts()
    making = PoolMaking.begin(options.out, generator, task, device, choosing)
    record, made = making.finished(), 0
    if record is not None and (changed := pool_differences(making.directory, record)):
        msg = (
            f"Expected {making.directory} to hold what was made, found: {' '.join(changed)} Remove what was "
            "changed or added, and pool.json, and give the command again."
        )
        raise PoolError(msg)
    if record is None and rounds is not None:
        record = make_best(making, rounds, device)
    elif record is None:
        made = making.make(shard)
        record = making.finish()
    _say(making, record, made, time.monotonic() - started)
    return 0


def _device_of_rank() -> str | None:
    """The GPU of a rank of torchrun or srun, where there is one for each."""
    of_step = os.environ.get("SLURM_LOCALID", "") if "SLURM_STEP_NUM_TASKS" in os.environ else ""
    rank = os.environ.get("LOCAL_RANK", of_step)
    return f"cuda:{rank}" if rank.isdecimal() and int(rank) < torch.cuda.device_count() else None


def _say(making: PoolMaking, record: PoolRecord | None, made: int, seconds: float) -> None:
    rate = f", {made} made now in {seconds:.1f} s ({made / seconds:.1f} images/s)" if made else ""
    if record is None:
        print(f"This share of {making.directory} is there{rate}; other processes make the rest.")
        return
    size = sum(
        (making.directory / of_class.folder / name).stat().st_size
        for of_class in record.classes
        for name in of_class.files
    )
    print(
        f"{making.directory}: {len(record)} images of {len(record.classes)} classes by "
        f"{making.generator.name}, {size / 1e6:.1f} MB{rate}."
    )
    strange = []
    for of_class in record.classes:
        if of_class.stopped is not None:
            print(
                f"  {of_class.folder}: {of_class.made} made, {len(of_class.files)} kept; {of_class.stopped}"
            )
        if (of_class.stopped or "").startswith(STRANGE):
            strange.append(f"{of_class.name!r}: {of_class.stopped}")
    commands = [("pool", "inspect", making.directory), ("verify", making.directory)]
    print_next_commands(Console(), [command("semdd", *words) for words in commands])
    if strange:
        found = "; ".join(strange)
        msg = f"Expected every class to show itself, found {found}; change its prompt and make the pool anew."
        raise AuditError(msg)
