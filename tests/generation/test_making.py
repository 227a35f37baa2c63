"""The loop that makes pools: the same bytes however it is run, and a record that says what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from semdd_lightning.errors import ConfigError, PoolError, RunError, TooFewImagesError
from semdd_lightning.generation import (
    Generator,
    Made,
    Maker,
    PoolMaking,
    RandomImages,
    Shard,
    Task,
    find_shard,
    image_facts,
    pool_differences,
    read_pool_record,
)
from semdd_lightning.generation.generator import image_seed
from semdd_lightning.generation.making import WORK
from semdd_lightning.pools import ClassFolders

CPU = torch.device("cpu")


class Killed(BaseException):
    """As a signal ends a process."""


@dataclass(frozen=True)
class Noise(Generator):
    """Noise by the seed of each image, in batches of three, which dies after some images."""

    name: ClassVar[str] = "noise"
    meaning: ClassVar[str] = "noise"
    dies_after: ClassVar[int] = 1_000
    level: int = 100

    def open(self, task: Task, device: torch.device) -> Maker:
        return _Noise(task, self)


class _Noise(Maker):
    batch = 3

    def __init__(self, task: Task, settings: Noise) -> None:
        self.task, self.settings, self.facts, self.made = task, settings, {"level": settings.level}, 0

    def make(self, label: int, numbers: Sequence[int]) -> list[Made]:
        images = []
        for number in numbers:
            self.made += 1
            if self.made > self.settings.dies_after:
                raise Killed
            seed = image_seed(self.task.seed, self.task.classes.folders[label], number)
            pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
            images.append(Made(Image.fromarray(pixels), {"seed": seed}))
        return images


def make(directory: Path, task: Task, generator: Generator, *shards: Shard) -> PoolMaking:
    making = PoolMaking.begin(directory, generator, task, CPU)
    for shard in shards or (Shard(),):
        making.make(shard)
    making.finish()
    return making


def content(directory: Path) -> dict[str, bytes]:
    return {
        file.relative_to(directory).as_posix(): file.read_bytes()
        for file in sorted(directory.glob("*/*.png"))
    }


@pytest.fixture
def whole(tmp_path: Path, make_task: Callable[..., Task]) -> dict[str, bytes]:
    make(tmp_path / "whole", make_task(7), Noise())
    return content(tmp_path / "whole")


def test_a_pool_has_one_folder_a_class(whole: dict[str, bytes], tmp_path: Path) -> None:
    assert len(whole) == 21
    assert "blue/00006.png" in whole
    pool = ClassFolders(tmp_path / "whole").read()
    assert len(pool) == 21
    assert not pool.excluded
    record = read_pool_record(tmp_path / "whole")
    assert len(record) == 21
    assert record.plan["generator"] == "noise"
    assert not pool_differences(tmp_path / "whole", record)
    facts = image_facts(tmp_path / "whole/green/00002.png")
    assert facts == {"class": "green", "number": 2, "seed": image_seed(0, "green", 2)}


def test_ends_of_any_kind_leave_the_same_pool(
    whole: dict[str, bytes], tmp_path: Path, make_task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, ends = tmp_path / "killed", 0
    monkeypatch.setattr(Noise, "dies_after", 4)
    while True:
        making = PoolMaking.begin(directory, Noise(), make_task(7), CPU)
        try:
            making.make()
        except Killed:
            ends += 1
            assert making.finish() is None
            (directory / "blue" / ".00000.png.host.1.x.tmp").write_bytes(b"half")
            continue
        break
    assert making.finish() is not None
    assert ends > 3
    assert content(directory) == whole
    assert PoolMaking.begin(directory, Noise(), make_task(7), CPU).make() == 0


def test_shards_and_batches_leave_the_same_pool(
    whole: dict[str, bytes], tmp_path: Path, make_task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "shards", make_task(7), Noise(), *(Shard(i, 4) for i in (2, 0, 3, 1)))
    assert content(tmp_path / "shards") == whole
    making = PoolMaking.begin(tmp_path / "part", Noise(), make_task(7), CPU)
    making.make(Shard(0, 2))
    assert making.finish() is None  # another process makes the rest
    monkeypatch.setattr(_Noise, "batch", 1)
    make(tmp_path / "part", make_task(7), Noise())
    assert content(tmp_path / "part") == whole
    records = [(tmp_path / name / "pool.json").read_bytes() for name in ("whole", "shards", "part")]
    assert len(set(records)) == 1


def test_a_broken_file_is_made_again(
    whole: dict[str, bytes], tmp_path: Path, make_task: Callable[..., Task]
) -> None:
    making = PoolMaking.begin(tmp_path / "broken", Noise(), make_task(7), CPU)
    making.make(Shard(0, 2))
    file = tmp_path / "broken" / next(iter(content(tmp_path / "broken")))
    file.write_bytes(file.read_bytes()[:100])
    make(tmp_path / "broken", make_task(7), Noise())
    assert content(tmp_path / "broken") == whole


def test_another_plan_is_refused(tmp_path: Path, make_task: Callable[..., Task]) -> None:
    PoolMaking.begin(tmp_path / "pool", Noise(), make_task(7), CPU).make(Shard(0, 2))
    for task, generator, differing in (
        (make_task(7, seed=1), Noise(), "seed"),
        (make_task(8), Noise(), "images_per_class"),
        (make_task(7), Noise(level=3), "description, made_of"),
        (make_task(7), RandomImages(), "description, generator, made_of"),
    ):
        with pytest.raises((RunError, TooFewImagesError), match=f"{differing}|needed 7"):
            PoolMaking.begin(tmp_path / "pool", generator, task, CPU)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("dear")
    with pytest.raises(RunError, match="to be new"):
        PoolMaking.begin(tmp_path / "mine", Noise(), make_task(7), CPU)
    with pytest.raises(RunError, match="to be a directory"):
        PoolMaking.begin(tmp_path / "mine" / "thesis.tex", Noise(), make_task(7), CPU)


def test_what_changed_since_is_said(whole: dict[str, bytes], tmp_path: Path) -> None:
    root = tmp_path / "whole"
    record = read_pool_record(root)
    (root / "blue/00001.png").unlink()
    (root / "green/00002.png").write_bytes(whole["green/00003.png"])
    (root / "red/extra.jpg").write_bytes(whole["green/00003.png"])
    (root / "violet").mkdir()
    assert pool_differences(root, record) == [
        "blue: 1 of 7 images missing, as 00001.png.",
        "green: 1 of 7 images changed, as 00002.png.",
        "red: 1 of 7 images not of this pool, as extra.jpg.",
        "violet: a folder that is not of this pool.",
    ]
    text = (root / "pool.json").read_text()
    (root / "pool.json").write_text(text.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(PoolError, match="digest does not fit"):
        read_pool_record(root)


def test_random_images_are_those_of_the_source(
    coloured_pool: Path, tmp_path: Path, make_task: Callable[..., Task]
) -> None:
    make(tmp_path / "random", make_task(5), RandomImages())
    for folder in ("blue", "green", "red"):
        chosen = [image_facts(tmp_path / f"random/{folder}/{i:05d}.png")["from"] for i in range(5)]
        assert len(set(chosen)) == 5
        for i, path in enumerate(chosen):
            with (
                Image.open(coloured_pool / path) as image,
                Image.open(tmp_path / f"random/{folder}/{i:05d}.png") as copy,
            ):
                assert np.array_equal(np.asarray(image), np.asarray(copy))
    few = make(tmp_path / "few", make_task(2), RandomImages())
    assert content(few.directory).items() <= content(tmp_path / "random").items()
    with pytest.raises(TooFewImagesError, match="needed 7, found 6"):
        PoolMaking.begin(tmp_path / "much", RandomImages(), make_task(7), CPU)
    assert not (tmp_path / "much" / WORK).exists()


@pytest.mark.parametrize(
    ("asked", "environment", "message"),
    [
        ("4/4", {}, "I from 0 to N - 1"),
        ("1", {}, "I from 0 to N - 1"),
        (None, {"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "3"}, "without gaps"),
        (None, {"RANK": "2", "WORLD_SIZE": "2"}, "RANK below"),
        (None, {"RANK": "x", "WORLD_SIZE": "2"}, "whole number"),
    ],
)
def test_what_is_no_shard_is_refused(asked: str | None, environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_shard(asked, environment)


def test_ranks_of_array_tasks_are_counted_through() -> None:
    array = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "1", "WORLD_SIZE": "3"}
    found = [
        find_shard(None, {**array, "SLURM_ARRAY_TASK_ID": str(task), "RANK": str(rank)})
        for task in (1, 2)
        for rank in range(3)
    ]
    assert found == [Shard(i, 6) for i in range(6)]
    step = {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"}
    assert find_shard(None, step) == Shard(1, 4)
    assert find_shard(None, {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}) == Shard()  # a batch script
