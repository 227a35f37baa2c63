"""Make images in rounds, and stop a class when a round brings no candidate that stage 1 would keep."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, with_config

from semdd_lightning.atomic import remove_stale_files, write_atomically
from semdd_lightning.audit import AUTOMATIC, audit_classes
from semdd_lightning.data import select
from semdd_lightning.errors import RunError
from semdd_lightning.export.pool_selection import PoolSelection
from semdd_lightning.generation.making import WORK, PoolMaking
from semdd_lightning.generation.record import PoolRecord, file_name
from semdd_lightning.pools import ClassFolders
from semdd_lightning.prior import Prior
from semdd_lightning.progress import image_progress
from semdd_lightning.records import RECORD, read_record, write_record

_STATE = "rounds.json"
_ADVICE = "remove the directory, or give another"
NO_NEW = "a round brought no new candidate"
STRANGE = "its images look like"
CEILING = "the ceiling was reached"


@dataclass(frozen=True)
class Rounds:
    """How images are made in rounds.

    Args:
        keep: images of a class that will be chosen; stage 1 of two-stage sampling keeps its candidates.
        size: images of a class and round, at least `keep`.
        prior: CLIP, which judges.
    """

    keep: int
    size: int
    prior: Prior

    def facts(self) -> dict[str, Any]:
        """What decides on the kept images, in plain values."""
        return {"keep": self.keep, "round": self.size, "prior": self.prior.identity()}


@with_config(RECORD)
@dataclass
class _State:
    """For each class by its folder: images made so far, and why no more are made; empty while they are."""

    made: dict[str, Annotated[int, Field(ge=0)]]
    stopped: dict[str, str]


def make_best(making: PoolMaking, rounds: Rounds, device: torch.device, *, show: bool = True) -> PoolRecord:
    """Make a pool of stage 1's candidates.

    Args:
        making: the pool; its task's images per class are the ceiling.
        rounds: how.
        device: where CLIP runs.
        show: whether to show progress on a terminal.
    """
    task, work = making.task, making.directory / WORK / "images"
    folders = task.classes.folders
    state = _read_state(making.directory, folders)
    with image_progress("Making images in rounds", None, show=show) as advance:
        while active := [c for c, folder in enumerate(folders) if not state.stopped[folder]]:
            first = {folders[c]: state.made[folders[c]] for c in active}
            for c in active:
                folder = folders[c]
                remove_stale_files(work / folder)
                numbers = range(first[folder], min(first[folder] + rounds.size, task.images_per_class))
                for part in making.batches(numbers):
                    making.make_missing(c, part, work)
                    advance(len(part))
                state.made[folder] = numbers.stop
            chosen = _choose(making, rounds, work, device)
            kept, strange = _candidates(chosen), {} if any(first.values()) else _strange(chosen)
            for folder, start in first.items():
                if folder in strange:
                    state.stopped[folder] = strange[folder]
                elif start and max(kept[folder]) < start:
                    state.stopped[folder] = NO_NEW
                elif state.made[folder] >= task.images_per_class:
                    state.stopped[folder] = CEILING
            write_record(making.directory / WORK / _STATE, asdict(state))
    kept = _candidates(_choose(making, rounds, work, device))
    for folder in folders:
        (making.directory / folder).mkdir(exist_ok=True)
        for name in map(file_name, sorted(kept[folder])):
            source, target = work / folder / name, making.directory / folder / name
            if target.exists():
                continue
            try:
                os.link(source, target)
            except OSError:  # a file system without hard links
                write_atomically(target, source.read_bytes())
    record = making.write_record((state.made[folder], state.stopped[folder]) for folder in folders)
    shutil.rmtree(work)
    return record


def _choose(making: PoolMaking, rounds: Rounds, work: Path, device: torch.device) -> PoolSelection:
    """What a sampler that trains nothing chooses: this is done again after each round."""
    classes = making.task.classes
    wnids = classes.wnids or ("",) * len(classes)
    names = tuple(f"{wnid} {name}".strip() for wnid, name in zip(wnids, classes.names, strict=True))
    pool = ClassFolders(work, class_names=names)
    return select(pool, rounds.prior, rounds.keep, "two_stage", device=device, audit="off")


def _candidates(chosen: PoolSelection) -> dict[str, set[int]]:
    """For each class by its folder the numbers of the images that stage 1 keeps."""
    found: dict[str, set[int]] = {folder: set() for folder in chosen.pool.registry.folders}
    for row in np.flatnonzero(chosen.selection.scores["candidate"].to_numpy()).tolist():
        folder, _, name = chosen.pool.paths[row].rpartition("/")
        found[folder].add(int(Path(name).stem))
    return found


def _strange(chosen: PoolSelection) -> dict[str, str]:
    """Folders whose images show another class than theirs, and which."""
    registry = chosen.pool.registry
    audit = audit_classes(chosen.pool, chosen.embeddings, at_most=AUTOMATIC)
    shown = {c: int(audit.order[c]) for c in np.flatnonzero(audit.order != np.arange(len(registry))).tolist()}
    shown |= {c: int(audit.contents.suspected[c]) for c in audit.suspects.tolist()}
    return {registry.folders[c]: f"{STRANGE} {registry.names[d]!r}" for c, d in shown.items()}


def _read_state(directory: Path, folders: tuple[str, ...]) -> _State:
    path = directory / WORK / _STATE
    if not path.is_file():
        return _State(dict.fromkeys(folders, 0), dict.fromkeys(folders, ""))
    state = read_record(path, _State, RunError, _ADVICE)
    if not set(state.made) == set(state.stopped) == set(folders):
        msg = f"Expected the classes of the plan in {path}, found others; {_ADVICE}."
        raise RunError(msg)
    return state
