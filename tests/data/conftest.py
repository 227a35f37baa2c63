from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch import Trainer
from PIL import Image
from torch import Tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import ImageDataModule, TrainingImages
from semdd_lightning.models import ConvNet
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.listing import ImageSource, LabelledImages, Listing
from semdd_lightning.pools.strings import Strings
from semdd_lightning.training import ClassifierModule

MakeImages = Callable[..., LabelledImages]


@pytest.fixture
def coloured_images(coloured_pool: Path) -> LabelledImages:
    pool = ClassFolders(coloured_pool).read()
    return LabelledImages(pool.listing(), pool.registry)


class Reds(ImageSource):
    """Images of one colour each, whose red channel is their row."""

    def read(self, row: int) -> bytes:
        raise NotImplementedError

    def image(self, row: int) -> Image.Image:
        return Image.new("RGB", (4, 4), (row, 0, 0))


@pytest.fixture
def make_labelled() -> MakeImages:
    """Images of one colour each, whose red channel is their row, with the labels given."""

    def make(labels: list[int], names: tuple[str, ...] = ("a", "b", "c")) -> LabelledImages:
        paths, stamps = Strings(map(str, range(len(labels)))), np.zeros((len(labels), 3), dtype=np.int64)
        listing = Listing(Path("/"), paths, np.array(labels, dtype=np.int64), stamps, Reds())
        return LabelledImages(listing, ClassRegistry(names, names))

    return make


class Recorder(ClassifierModule):
    """Keeps the batches that a real trainer hands it."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(partial(ConvNet, depth=1, width=4), num_classes, image_size=16)
        self.batches: list[TrainingImages] = []

    def training_step(self, batch: TrainingImages, batch_idx: int) -> Tensor:
        self.batches.append(batch)
        return super().training_step(batch, batch_idx)


@pytest.fixture
def served_batches(make_trainer: Callable[..., Trainer]) -> Callable[..., list[TrainingImages]]:
    """Fit a tiny network on a data module of 16 px images; the batches that it got."""

    def fit(data: ImageDataModule, max_epochs: int = 1) -> list[TrainingImages]:
        recorder = Recorder(data.num_classes)
        make_trainer(max_epochs).fit(recorder, datamodule=data)
        return recorder.batches

    return fit
