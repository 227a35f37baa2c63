from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from semdd_lightning.data import Augmentation, PoolDataModule
from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier
from semdd_lightning.pools import ClassFolders
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.training import Teacher
from semdd_lightning.training.soft_labels.label_format import LabelFormat
from semdd_lightning.training.soft_labels.sources import label_augmented, label_plain
from semdd_lightning.training.soft_labels.store import LabelStore, header_of, write_blocks
from semdd_lightning.training.teachers.teacher import teacher_card

MIXING = Augmentation(crop_scale=(0.4, 1.0), mix="cutmix")


class ColourNetwork(nn.Module):
    """Knows a coloured image's class by its strongest channel, and looks at every pixel a little."""

    texture: Tensor

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("texture", torch.randn(3, 3, 5, 5, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        colours = 30 * images.mean(dim=(2, 3))[:, [2, 1, 0]]  # blue, green, red
        response: Tensor = nn.functional.conv2d(images, self.texture).tanh().mean(dim=(2, 3))
        return colours + response


@dataclass(frozen=True)
class ColourTeacher(Teacher):
    """Needs no training."""

    def build(self, context: ClassifierContext) -> nn.Module:
        return ColourNetwork()


@pytest.fixture
def teacher() -> Teacher:
    return ColourTeacher()


@pytest.fixture
def make_data(coloured_pool: Path, tiny_clip_dir: Path) -> Callable[..., PoolDataModule]:
    """A data module that chooses 4 of 6 images of each of three classes."""

    def make(**options: Any) -> PoolDataModule:  # noqa: ANN401 - what the data module takes
        chosen = {"sampler": "random", "batch_size": 5, "passes": 3, "passes_per_epoch": 1}
        given = {"ipc": 4, **chosen, "augmentation": MIXING, **options}
        prior = OpenClipPrior(str(tiny_clip_dir))
        return PoolDataModule(
            pool=ClassFolders(coloured_pool), prior=prior, num_classes=3, image_size=16, **given
        )

    return make


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., LabelStore]:
    """Labels the images of a data module with `ColourTeacher`."""

    def make(
        data: PoolDataModule,
        form: LabelFormat | None = None,
        *,
        static: bool = False,
        directory: Path | None = None,
        temperature: float = 20.0,
    ) -> LabelStore:
        data.setup("fit")
        frozen = FrozenClassifier(ColourNetwork(), torch.device("cpu"))
        context = ClassifierContext(data.registry, data.image_size, None)
        card = teacher_card(ColourTeacher(), context, frozen, 1.0, "these images")
        header = header_of(data, card, form or LabelFormat(3), static=static)
        store = LabelStore.create(directory or tmp_path / "labels", header)
        label = (lambda _: label_plain(frozen, data)) if static else partial(label_augmented, frozen, data)
        write_blocks(store, store.missing(), label, temperature)
        return store

    return make
