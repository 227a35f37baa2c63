"""RDED's choice of crops on fixed draws, against a literal loop over single crops; and what its files say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.data.classifier import FrozenClassifier
from semdd_lightning.errors import ConfigError, TeacherError, TooFewImagesError
from semdd_lightning.generation import Rded, Task
from semdd_lightning.generation.crops import draw_boxes
from semdd_lightning.generation.generator import image_seed
from semdd_lightning.generation.real_images import RealCrops, drawn_rows
from semdd_lightning.models import IMAGENET_MEAN, IMAGENET_STD, ConvNet, NormalizedNetwork

CPU = torch.device("cpu")


@pytest.fixture
def photographs(tmp_path: Path, make_image: Callable[[int, int, int], Image.Image]) -> Path:
    """Two classes of nine images of three sizes."""
    for c, name in enumerate(("cat", "dog")):
        (tmp_path / "real" / name).mkdir(parents=True)
        for i in range(9):
            width, height = [(24, 24), (30, 22), (18, 26)][i % 3]
            make_image(width, height, 10 * c + i).save(tmp_path / "real" / name / f"{i}.png")
    return tmp_path / "real"


@pytest.fixture
def network() -> NormalizedNetwork:
    torch.manual_seed(0)
    return NormalizedNetwork(ConvNet(2, 16, depth=2, width=8), 16)


def literal_loop(settings: Rded, task: Task, network: NormalizedNetwork, label: int) -> tuple[Tensor, Tensor]:
    """What RDED does for a class, one crop at a time: images in [0, 1] (n, 3, S, S) and scores of crops."""
    source, size, n = task.real_images(), task.side(), task.images_per_class
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    folder = task.classes.folders[label]
    best = []
    for row in drawn_rows(task, 1, settings.sources)[label]:
        image = TF.to_dtype(TF.to_image(source.read(int(row))), torch.float32, scale=True)
        seed = image_seed(task.seed, folder, source.listing.paths[int(row)])
        _, rows, columns = image.shape
        boxes = draw_boxes(rows, columns, settings.crops, np.random.default_rng(seed))
        scored = []
        for top, left, height, width in boxes.tolist():
            side = size // settings.factor
            crop = (TF.resized_crop(image, top, left, height, width, [side, side]) - mean) / std
            whole = torch.zeros(3, size, size)
            first = (size - side) // 2
            whole[:, first : first + side, first : first + side] = crop
            with torch.no_grad():
                probabilities = torch.softmax(network.network.eval()(whole[None]), dim=1)[0]
            scored.append((-float(torch.log(probabilities[label])), crop * std + mean))
        best.append(min(scored, key=lambda one: one[0]))
    best.sort(key=lambda one: one[0])
    side, mosaic = size // settings.factor, torch.zeros(n, 3, size, size)
    for place in range(settings.factor**2):
        top, left = place // settings.factor * side, place % settings.factor * side
        for i in range(n):
            mosaic[i, :, top : top + side, left : left + side] = best[place * n + i][1]
    return mosaic, torch.tensor([score for score, _ in best[: n * settings.factor**2]])


@pytest.mark.parametrize(("factor", "batch_size"), [(1, 512), (2, 7)])
def test_the_choice_is_that_of_the_literal_loop(
    factor: int,
    batch_size: int,
    photographs: Path,
    network: NormalizedNetwork,
    make_task: Callable[..., Task],
) -> None:
    task = make_task(2, 16, root=photographs)
    settings = Rded("unused", sources=8, crops=3, factor=factor, batch_size=batch_size)
    teacher = FrozenClassifier(network, CPU)
    maker = RealCrops(settings, task, drawn_rows(task, 1, 8), teacher, {})
    for label in range(2):
        expected, scores = literal_loop(settings, task, network, label)
        torch.testing.assert_close(maker.choose(label).scores, scores, atol=1e-5, rtol=1e-5)
        made = maker.make(label, [1, 0])
        for number, image in zip([1, 0], made, strict=True):
            pixels = TF.to_dtype(TF.to_image(image.image), torch.float32, scale=True)
            torch.testing.assert_close(pixels, expected[number].clamp(0, 1), atol=0.6 / 255, rtol=0)
            assert len(image.facts["crops"]) == factor**2


def test_crops_of_a_class_stand_apart_from_other_classes(
    photographs: Path, network: NormalizedNetwork, make_task: Callable[..., Task]
) -> None:
    task, settings = make_task(2, 16, root=photographs), Rded("unused", crops=2)
    makers = [
        RealCrops(settings, task, drawn_rows(task, 1), FrozenClassifier(network, CPU), {}) for _ in range(2)
    ]
    makers[0].make(0, [0])  # the other has not looked at the first class
    first, second = (maker.make(1, [0, 1]) for maker in makers)
    assert [image.facts for image in first] == [image.facts for image in second]


def test_what_cannot_be_made_is_refused(make_task: Callable[..., Task], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Expected crops of at least 1"):
        Rded("unused", crops=0)
    with pytest.raises(TooFewImagesError, match="blue: needed 8, found 6"):
        Rded("unused", factor=2).open(make_task(2), CPU)
    with pytest.raises(ConfigError, match="Expected sources of at least 4"):
        Rded("unused", sources=3).open(make_task(4), CPU)
    with pytest.raises(TeacherError, match="Expected a classifier as"):
        Rded("nonsense").open(make_task(2), CPU)
