"""Tiny pipelines of both kinds through the very path of real ones: the same bytes however they are made."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ConfigError, NetworkError, SemddError, TeacherError
from semdd_lightning.generation import (
    Diffusion,
    PoolMaking,
    Shard,
    Task,
    image_facts,
    read_pool_record,
    with_folders,
)
from semdd_lightning.generation.diffusion import DiffusionMaker
from tests.generation.tiny_pipelines import save_dit, save_stable_diffusion

CPU = torch.device("cpu")
ENDS = 10 if os.environ.get("SEMDD_LONG") else 2
CLASSES = with_folders(
    ClassRegistry(("tench", "springer"), ("1", "0"), ("n01440764", "n02102040"), folders_given=True)
)


class Killed(BaseException):
    """As a signal ends a process."""


@pytest.fixture(scope="session")
def dit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dit(tmp_path_factory.mktemp("pipelines") / "dit")


@pytest.fixture(scope="session")
def stable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion(tmp_path_factory.mktemp("pipelines") / "stable")


@pytest.fixture(params=["dit", "stable"])
def generator(request: pytest.FixtureRequest) -> Diffusion:
    return Diffusion(str(request.getfixturevalue(request.param)), steps=2, batch_size=1)


def task(images_per_class: int = 3, classes: ClassRegistry = CLASSES, size: int | None = None) -> Task:
    return Task(classes, images_per_class, size, seed=0)


def content(directory: Path) -> dict[str, bytes]:
    files = sorted(directory.glob("*/*.png"))
    return {file.relative_to(directory).as_posix(): file.read_bytes() for file in files}


def make(directory: Path, generator: Diffusion, what: Task) -> dict[str, bytes]:
    making = PoolMaking.begin(directory, generator, what, CPU)
    making.make()
    assert making.finish() is not None
    return content(directory)


def test_ends_shards_and_batches_leave_the_same_bytes(
    generator: Diffusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(tmp_path / "whole", generator, task())
    assert len(whole) == len(set(whole.values())) == 6
    assert make(tmp_path / "batches", replace(generator, batch_size=4), task()) == whole
    sharded = PoolMaking.begin(tmp_path / "shards", generator, task(), CPU)
    for index in (1, 2, 0):
        torch.manual_seed(index)  # what others draw plays no part
        sharded.make(Shard(index, 3))
    assert content(tmp_path / "shards") == whole
    run, calls = DiffusionMaker._run, 0

    def dies(self: DiffusionMaker, *arguments: Any) -> Any:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls <= 2 * ENDS and calls % 2 == 0:
            raise Killed
        return run(self, *arguments)

    monkeypatch.setattr(DiffusionMaker, "_run", dies)
    for _ in range(ENDS):
        killed = PoolMaking.begin(tmp_path / "killed", generator, task(3 + ENDS), CPU)
        with pytest.raises(Killed):
            killed.make()
    killed.make()
    assert killed.finish() is not None
    assert whole.items() <= content(tmp_path / "killed").items()


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm", "dpm++", "euler", "euler_ancestral", "lcm"])
def test_steps_that_draw_draw_by_image(scheduler: str, dit: Path, tmp_path: Path) -> None:
    made = []
    for batch_size, guidance in ((1, 4.0), (3, 4.0), (3, 1.0)):
        torch.manual_seed(batch_size)
        asked = Diffusion(str(dit), steps=3, batch_size=batch_size, scheduler=scheduler, guidance=guidance)
        maker = asked.open(task(), CPU)
        numbers = [[0], [1], [2]] if batch_size == 1 else [[0, 1, 2]]
        images = [np.asarray(one.image, dtype=int) for part in numbers for one in maker.make(1, part)]
        made.append(np.stack(images))
    assert np.abs(made[0] - made[1]).max() <= 1
    assert np.abs(made[1] - made[2]).max() > 5


def test_dit_is_told_the_class_of_the_registry(dit: Path, tmp_path: Path) -> None:
    make(tmp_path / "pool", Diffusion(str(dit), steps=1), task(1))
    record = read_pool_record(tmp_path / "pool")
    assert [(one.folder, one.made_with) for one in record.classes] == [
        ("n01440764", {"class_index": 0}),
        ("n02102040", {"class_index": 217}),
    ]
    assert image_facts(tmp_path / "pool/n02102040/00000.png")["class_index"] == 217
    turned = replace(
        CLASSES, names=CLASSES.names[::-1], folders=CLASSES.folders[::-1], wnids=("n02102040", "n01440764")
    )
    make(tmp_path / "turned", Diffusion(str(dit), steps=1), task(1, turned))
    assert content(tmp_path / "turned") == content(tmp_path / "pool")
    with pytest.raises(TeacherError, match="wnids or a teacher_index"):
        Diffusion(str(dit)).open(task(1, ClassRegistry(("cat",), ("cat",))), CPU)


def test_prompts_are_taken_in_turn_and_recorded(stable: Path, tmp_path: Path) -> None:
    prompts = ("a {}.", "the {}.")
    whole = make(tmp_path / "pool", Diffusion(str(stable), prompts, steps=1, guidance=2.0), task(3, size=8))
    said = [image_facts(tmp_path / f"pool/n01440764/{i:05d}.png")["prompt"] for i in range(3)]
    assert said == ["a tench.", "the tench.", "a tench."]
    with Image.open(tmp_path / "pool/n01440764/00000.png") as image:
        assert image.size == (8, 8)
    plan = read_pool_record(tmp_path / "pool").plan
    assert plan["made_of"]["pipeline"] == "StableDiffusionPipeline"
    assert plan["made_of"]["safety_checker"] == "none ships"
    negative = Diffusion(str(stable), prompts, "blurry", steps=1, guidance=2.0)
    assert make(tmp_path / "negative", negative, task(3, size=8)) != whole
    larger = Diffusion(str(stable), steps=1, generated_size=32).open(task(1), CPU).make(0, [0])
    assert larger[0].image.size == (32, 32)


def test_what_the_checker_blackens_is_made_again() -> None:
    calls: list[list[int]] = []

    def pipeline(prompt: list[str], generator: list[torch.Generator], **_: object) -> SimpleNamespace:
        calls.append([one.initial_seed() for one in generator])
        flagged = [len(calls) == 1 and place == 1 for place in range(len(prompt))]
        return SimpleNamespace(images=[Image.new("RGB", (4, 4))] * len(prompt), nsfw_content_detected=flagged)

    made = DiffusionMaker(Diffusion("unused"), task(), pipeline, {}).make(0, [0, 1, 2])
    assert [len(seeds) for seeds in calls] == [3, 1]
    assert made[1].facts["seed"] == calls[1][0] != calls[0][1]
    assert [made[0].facts["seed"], made[2].facts["seed"]] == [calls[0][0], calls[0][2]]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": "gone/with/it"}, NetworkError, "no such folder"),
        ({"model": "owner/name"}, NetworkError, "cannot be loaded"),
        ({"model": "EMPTY"}, NetworkError, "model_index.json"),
        ({"scheduler": "magic"}, ConfigError, "scheduler to be one of as_shipped, ddim"),
        ({"weights": Path("gone.pt")}, NetworkError, "Expected weights in gone.pt"),
        ({"negative_prompt": "blurry"}, ConfigError, "neither negative_prompt nor generated_size"),
        ({"steps": 0}, ConfigError, "Expected steps of at least 1"),
        ({"precision": "fp16"}, ConfigError, "fp32 or bf16 on a CPU"),
        ({"steps": 3, "scheduler": "pndm"}, ConfigError, "settings that DiTPipeline runs with"),
    ],
)
def test_what_cannot_be_made_is_refused(
    changes: dict[str, Any], error: type[SemddError], message: str, dit: Path, tmp_path: Path
) -> None:
    if changes.get("model") == "EMPTY":
        changes = {"model": str(tmp_path)}
    with pytest.raises(error, match=message):
        Diffusion(**{"model": str(dit), **changes}).open(task(), CPU).make(0, [0])


def test_no_library_no_diffusion(dit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(ConfigError, match=r"semdd-lightning\[diffusion\]"):
        Diffusion(str(dit)).open(task(), CPU)
