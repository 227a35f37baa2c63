"""A task of the coloured pool's classes, whose images a teacher without training knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier
from semdd_lightning.generation import Task, with_folders
from semdd_lightning.pools import ClassFolders
from tests.training.colour_teacher import ColourTeacher


@pytest.fixture
def make_task(coloured_pool: Path) -> Callable[..., Task]:
    def make(
        images_per_class: int = 4, image_size: int = 16, seed: int = 0, root: Path | None = None
    ) -> Task:
        found = ClassFolders(root or coloured_pool).resolve()
        classes = with_folders(found.registry)
        return Task(classes, images_per_class, image_size, seed, found.open())

    return make


@pytest.fixture
def colours(make_task: Callable[..., Task]) -> FrozenClassifier:
    context = ClassifierContext(make_task().classes, 16, None)
    return FrozenClassifier(ColourTeacher().build(context), torch.device("cpu"))
