"""``random``: real images of a data set, as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.data.storage import square
from semdd_lightning.errors import TooFewImagesError
from semdd_lightning.generation.generator import Generator, Made, Maker, Task, image_seed
from semdd_lightning.pools.listing import LabelledImages


@dataclass(frozen=True)
class RandomImages(Generator):
    """Real images, drawn without repetition, the shorter side resized and the centre square cut out."""

    name: ClassVar[str] = "random"
    meaning: ClassVar[str] = "real images of a data set, drawn at random, centre-cropped and resized"

    def open(self, task: Task, device: torch.device) -> Maker:
        """See that there are enough images of each class."""
        rows = drawn_rows(task, task.images_per_class)
        return _Centres(task, rows)


class _Centres(Maker):
    batch = 64

    def __init__(self, task: Task, rows: list[NDArray[np.int64]]) -> None:
        self._task, self._rows, self._side = task, rows, task.side()
        self.facts = {"source": source_facts(task.real_images())}

    def make(self, label: int, numbers: Sequence[int]) -> list[Made]:
        source = self._task.real_images()
        made = []
        for number in numbers:
            row = int(self._rows[label][number])
            image = TF.to_pil_image(square(source.read(row), self._side))
            made.append(Made(image, {"from": source.listing.paths[row]}))
        return made


def drawn_rows(task: Task, at_least: int, at_most: int | None = None) -> list[NDArray[np.int64]]:
    """For each class the rows of its real images in an order of their own, drawn by seed and class alone.

    Args:
        task: what is to be made.
        at_least: images that every class must have.
        at_most: images to draw; all by default.

    Raises:
        TooFewImagesError: if a class has fewer.
    """
    source, rows, short = task.real_images(), [], []
    for label, folder in enumerate(task.classes.folders):
        of_class = np.flatnonzero(source.labels == label)
        if len(of_class) < at_least:
            short.append(f"{task.classes.names[label]}: needed {at_least}, found {len(of_class)}")
        generator = np.random.default_rng(image_seed(task.seed, folder, "order"))
        rows.append(of_class[generator.permutation(len(of_class))][:at_most])
    if short:
        msg = (
            f"Expected enough real images of every class, found {len(short)} with too few, as {short[0]}; "
            "ask for fewer images per class, or give more real ones."
        )
        raise TooFewImagesError(msg)
    return rows


def source_facts(source: LabelledImages) -> dict[str, Any]:
    """Which real images a pool is made of, in plain values.

    Args:
        source: the images.
    """
    digest = hashlib.sha256("\n".join(source.listing.paths).encode()).hexdigest()
    return {"root": str(source.listing.root), "images": len(source), "paths": digest}
