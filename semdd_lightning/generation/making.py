"""Make a pool: batch by batch, by any number of processes, from wherever an earlier one stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import with_config

from semdd_lightning.atomic import remove_stale_files, write_atomically
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import RunError
from semdd_lightning.export import describe
from semdd_lightning.generation.generator import SEED_RULE, Generator, Maker, Task
from semdd_lightning.generation.record import (
    NAME,
    MadeClass,
    PoolRecord,
    encoded,
    file_digests,
    file_name,
    is_whole,
    read_pool_record,
    versions,
)
from semdd_lightning.generation.shards import Shard
from semdd_lightning.pools.stated_labels import folder_names
from semdd_lightning.progress import image_progress
from semdd_lightning.records import RECORD, content_key, read_record, write_record

WORK = ".making"
"""Folder of a pool that is being made, beside its class folders."""

PLAN = "plan.json"


def with_folders(classes: ClassRegistry) -> ClassRegistry:
    """Classes with the folders that a made pool gives them: wnids, else names where fit, else numbers.

    Args:
        classes: the classes; their folders elsewhere play no part.

    >>> with_folders(ClassRegistry(("tench", "a/b"), ("x", "y"))).folders
    ('0', '1')
    """
    return replace(classes, folders=classes.wnids or folder_names(classes.names), folders_given=True)


@dataclass(frozen=True)
class PoolMaking:
    """A pool that is being made in a directory, as `begin` was told.

    Attributes:
        maker: the opened generator.
    """

    directory: Path
    generator: Generator
    task: Task
    maker: Maker
    choosing: dict[str, Any] | None = None

    @classmethod
    def begin(
        cls,
        directory: Path,
        generator: Generator,
        task: Task,
        device: torch.device,
        choosing: dict[str, Any] | None = None,
    ) -> PoolMaking:
        """Open the generator, and claim the directory for this pool.

        Args:
            directory: where to: new, or one where the same was begun.
            generator: how its images are made.
            task: what is to be made.
            device: where networks run.
            choosing: how images are chosen among those that are made, in plain values (default: all).

        Raises:
            RunError: if it holds something else.
            SemddError: if it cannot be made.
        """
        _require_free(directory)
        making = cls(directory, generator, task, generator.open(task, device), choosing)
        making._claim()
        return making

    @property
    def plan(self) -> dict[str, Any]:
        """All that decides on the images, in plain values."""
        classes = self.task.classes
        content = {
            "generator": self.generator.name,
            "description": describe(self.generator),
            "made_of": self.maker.facts,
            "seed": self.task.seed,
            "images_per_class": self.task.images_per_class,
            "image_size": self.task.image_size,
            "choosing": self.choosing,
            "classes": [
                [name, folder, self.maker.of_class(c)]
                for c, (name, folder) in enumerate(zip(classes.names, classes.folders, strict=True))
            ],
        }
        return _plain(content)

    def finished(self) -> PoolRecord | None:
        """The record, where all is there already."""
        return read_pool_record(self.directory) if (self.directory / NAME).is_file() else None

    def batches(self, numbers: range) -> list[range]:
        """Numbers of images of a class, in parts that are made together."""
        size = self.maker.batch
        return [numbers[start : start + size] for start in range(0, len(numbers), size)]

    def make(self, shard: Shard = Shard(), *, show: bool = True) -> int:  # noqa: B008 - it cannot be changed
        """Make what is missing of one shard, and give the number of images that were made now.

        Args:
            shard: which part of the batches.
            show: whether to show progress on a terminal.
        """
        batches = self.batches(range(self.task.images_per_class))
        units = [(label, numbers) for label in range(len(self.task.classes)) for numbers in batches]
        units, made = units[shard.index :: shard.count], 0
        total = sum(len(numbers) for _, numbers in units)
        with image_progress(f"Making images ({self.generator.name})", total, show=show) as advance:
            for label, numbers in units:
                made += self.make_missing(label, numbers)
                advance(len(numbers))
        return made

    def make_missing(self, label: int, numbers: Sequence[int], root: Path | None = None) -> int:
        """Make a batch, unless all of its files are there, whole and of their size.

        Args:
            label: index of the class.
            numbers: at most a batch.
            root: where the class folders are; the pool itself by default.
        """
        of_class, side = self.task.classes.folders[label], self.task.image_size
        folder = (root or self.directory) / of_class
        missing = [number for number in numbers if not is_whole(folder / file_name(number), side)]
        if missing:
            images = self.maker.make(label, numbers)  # all of them: how many there are may move last bits
            for number, image in zip(numbers, images, strict=True):
                if number in missing:
                    facts = {"class": of_class, "number": number, **image.facts}
                    write_atomically(folder / file_name(number), encoded(image.image, facts))
        return len(missing)

    def finish(self) -> PoolRecord | None:
        """Write the record, if all images are there; else another process will, which makes the rest."""
        count, folders = self.task.images_per_class, self.task.classes.folders
        names = [file_name(number) for number in range(count)]
        if not all((self.directory / folder / name).is_file() for folder in folders for name in names):
            return None
        return self.write_record((count, None) for _ in folders)

    def write_record(self, ends: Iterable[tuple[int, str | None]]) -> PoolRecord:
        """Write what came out; the pool is finished then.

        Args:
            ends: for each class how many images were made, and why no more, where that was judged.
        """
        classes, made = self.task.classes, []
        wnids = classes.wnids or [None] * len(classes)
        for c, (count, stopped) in enumerate(ends):
            folder, made_with = classes.folders[c], _plain(self.maker.of_class(c))
            files = file_digests(self.directory / folder)
            made.append(MadeClass(classes.names[c], folder, wnids[c], made_with, files, count, stopped))
        record = PoolRecord(self.plan, SEED_RULE, tuple(made), versions())
        write_record(self.directory / NAME, asdict(record))
        return record

    def _claim(self) -> None:
        """Write the plan, or see that it is the one of those that were here before."""
        plan = self.plan
        path = self.directory / WORK / PLAN
        before: PoolRecord | _Begun | None = self.finished()
        if before is None and path.is_file():
            before = read_record(path, _Begun, RunError, "remove the directory, or give another")
        if before is None:
            write_record(path, {"plan": plan})
        elif content_key(before.plan) != content_key(plan):
            differing = sorted(name for name in plan if before.plan.get(name) != plan[name])
            msg = (
                f"Expected {self.directory} to be new or a pool of the same plan, found one with other "
                f"{', '.join(differing)}; give another --out, or what it was begun with."
            )
            raise RunError(msg)
        for folder in self.task.classes.folders:
            remove_stale_files(self.directory / folder)


@with_config(RECORD)
@dataclass(frozen=True)
class _Begun:
    """What is known of a pool before it is finished."""

    plan: dict[str, Any]


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """The same as JSON has it."""
    plain: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return plain


def _require_free(directory: Path) -> None:
    """Refuse a directory that holds something and no pool of ours, before a network is loaded."""
    ours = (directory / NAME).is_file() or (directory / WORK / PLAN).is_file()
    if directory.exists() and not directory.is_dir():
        msg = f"Expected {directory} to be a directory, found a file; give another --out."
        raise RunError(msg)
    if directory.is_dir() and not ours and any(entry.name != WORK for entry in directory.iterdir()):
        msg = f"Expected {directory} to be new, found it there; nothing was overwritten, give another."
        raise RunError(msg)
