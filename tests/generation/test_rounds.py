"""Rounds: a class stops when nothing better comes, at the ceiling, or when it shows another class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from semdd_lightning.errors import RunError
from semdd_lightning.generation import (
    Generator,
    Made,
    Maker,
    PoolMaking,
    Rounds,
    Task,
    make_best,
    pool_differences,
    read_pool_record,
)
from semdd_lightning.generation.making import WORK
from semdd_lightning.generation.rounds import CEILING, NO_NEW
from semdd_lightning.pools import ClassFolders
from semdd_lightning.prior import LoadedClip, OpenClipPrior
from semdd_lightning.records import write_record
from tests.conftest import COLOURS

CPU = torch.device("cpu")
NAMES = ("blue", "green", "red")


class Killed(BaseException):
    """As a signal ends a process."""


@dataclass(frozen=True)
class Colours(Generator):
    """Squares of a class's colour, by the plan of each class: how pure number n is, and of which class."""

    name: ClassVar[str] = "colours"
    meaning: ClassVar[str] = "coloured squares"
    dies_at: ClassVar[int] = 1_000
    shows: tuple[str, ...] = NAMES

    def open(self, task: Task, device: torch.device) -> Maker:
        return _Colours(task, self)


class _Colours(Maker):
    batch = 4

    def __init__(self, task: Task, settings: Colours) -> None:
        self.task, self.settings, self.facts, self.made = task, settings, {}, 0

    def make(self, label: int, numbers: Sequence[int]) -> list[Made]:
        return [Made(self._image(label, number), {}) for number in numbers]

    def _image(self, label: int, number: int) -> Image.Image:
        self.made += 1
        if self.made > self.settings.dies_at:
            raise Killed
        rising = self.task.classes.folders[label] == "red"  # the others are best at first
        purity = 0.3 + 0.01 * (number if rising else -number)
        colour = np.array(COLOURS[self.settings.shows[label]], dtype=float)
        noise = np.random.default_rng([label, number]).integers(-6, 7, (16, 16, 3))
        pixels = 128 + purity * (colour - 128) + noise
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture
def prior(tiny_clip_dir: Path, monkeypatch: pytest.MonkeyPatch) -> OpenClipPrior:
    """A CLIP that knows the three colours: an image's vector is its mean colour, a text's its word's."""

    def images(clip: LoadedClip, pixels: Tensor) -> Tensor:
        means = pixels.float().mean(dim=(1, 2)) - 128
        vectors = torch.cat([means, torch.full((len(means), 1), 20.0)], dim=1)
        return torch.nn.functional.normalize(vectors, dim=1)

    def texts(clip: LoadedClip, prompts: Sequence[str]) -> Tensor:
        word = [next(name for name in NAMES if name in prompt) for prompt in prompts]
        vectors = torch.tensor([[*COLOURS[name], 128.0] for name in word]) - 128
        return torch.nn.functional.normalize(vectors, dim=1)

    monkeypatch.setattr(LoadedClip, "encode_pixels", images)
    monkeypatch.setattr(LoadedClip, "encode_texts", texts)
    return OpenClipPrior(str(tiny_clip_dir))


def test_the_stand_in_sees_pixels_as_open_clip_hands_them(prior: OpenClipPrior, coloured_pool: Path) -> None:
    clip = prior.load()
    image = np.asarray(clip.resize(Image.open(coloured_pool / "red/0.png").convert("RGB")))
    assert image.shape[-1] == 3


def make(directory: Path, prior: OpenClipPrior, generator: Colours, task: Task, size: int = 4) -> None:
    rounds = Rounds(2, size, prior)
    making = PoolMaking.begin(directory, generator, task, CPU, rounds.facts())
    make_best(making, rounds, CPU)


def test_a_class_stops_when_nothing_better_comes(
    prior: OpenClipPrior, tmp_path: Path, make_task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "pool", prior, Colours(), make_task(12))
    record = read_pool_record(tmp_path / "pool")
    found = {one.folder: (one.made, len(one.files), one.stopped) for one in record.classes}
    assert found["red"] == (12, 4, CEILING)
    assert found["blue"] == (8, 4, NO_NEW)
    assert found["green"] == (8, 4, NO_NEW)
    assert list(record.classes[2].files) == [f"{number:05d}.png" for number in range(8, 12)]
    assert not pool_differences(tmp_path / "pool", record)
    assert len(ClassFolders(tmp_path / "pool").read()) == 12
    assert not (tmp_path / "pool" / WORK / "images").exists()
    for dies_at in (2, 13, 15, 1_000):  # in the first round, in the second, later, not
        monkeypatch.setattr(Colours, "dies_at", dies_at)
        try:
            make(tmp_path / "killed", prior, Colours(), make_task(12))
        except Killed:
            assert not (tmp_path / "killed" / "pool.json").exists()
    records = [(tmp_path / name / "pool.json").read_bytes() for name in ("pool", "killed")]
    assert records[0] == records[1]
    made = {"red": 4, "green": 4, "blue": 4}
    for damaged in ({**made, "red": -4}, {"red": 4}, {**made, "grey": 4}):
        folder = tmp_path / f"damaged{len(damaged)}{min(damaged.values())}"
        write_record(folder / WORK / "rounds.json", {"made": damaged, "stopped": dict.fromkeys(damaged, "")})
        with pytest.raises(RunError, match=r"rounds\.json.*remove the directory"):
            make(folder, prior, Colours(), make_task(12))


def test_a_class_that_shows_another_is_stopped_after_a_round(
    prior: OpenClipPrior, tmp_path: Path, make_task: Callable[..., Task]
) -> None:
    make(tmp_path / "pool", prior, Colours(("green", "blue", "red")), make_task(40), 20)
    classes = read_pool_record(tmp_path / "pool").classes
    assert [one.made for one in classes] == [20, 20, 40]
    assert classes[0].stopped == "its images look like 'green'"
    assert classes[1].stopped == "its images look like 'blue'"
