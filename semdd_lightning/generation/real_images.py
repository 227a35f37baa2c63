"""Pools of real images: as they are, ``random``, or their most realistic crops by a teacher, ``rded``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.audit import even_sample
from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier, build_apart
from semdd_lightning.data.storage import square
from semdd_lightning.errors import ConfigError, TooFewImagesError
from semdd_lightning.generation.crops import (
    cross_entropies,
    draw_boxes,
    on_ground,
    resize_crops,
    stitch,
)
from semdd_lightning.generation.generator import Generator, Made, Maker, Task, image_seed, require_positive
from semdd_lightning.models import IMAGENET_MEAN, NormalizedNetwork
from semdd_lightning.pools.listing import LabelledImages
from semdd_lightning.progress import map_ahead
from semdd_lightning.training.checkpoint_card import weights_digest
from semdd_lightning.training.teachers.checked import check_teacher
from semdd_lightning.training.teachers.library_teacher import parse_teacher

_CHECKED = 1_000  # real images that the teacher is checked on
_MOST_THREADS = 16  # that decode


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
        self._source, self._rows, self._side = task.real_images(), rows, task.side()
        self.facts = {"source": _source_facts(self._source)}

    def make(self, label: int, numbers: Sequence[int]) -> list[Made]:
        made = []
        for row in self._rows[label][list(numbers)].tolist():
            image = TF.to_pil_image(square(self._source.read(row), self._side))
            made.append(Made(image, {"from": self._source.listing.paths[row]}))
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


def _source_facts(source: LabelledImages) -> dict[str, Any]:
    digest = hashlib.sha256("\n".join(source.listing.paths).encode()).hexdigest()
    return {"root": str(source.listing.root), "images": len(source), "paths": digest}


@dataclass(frozen=True)
class Rded(Generator):
    """Crops of real images that a teacher takes for their class (arXiv 2312.03526).

    Args:
        teacher: a classifier of these classes: a checkpoint or run directory of `semdd fit`, torchvision/NAME
            or timm/NAME, either with :FILE of its weights.
        sources: real images of each class that crops are taken of; of fewer all.
        crops: crops of each, of which the most realistic one stays. RDED takes 5, or 1 where images are many.
        factor: crops per side of an image: 1 up to 64 px, 2 for larger ones.
        batch_size: crops that the teacher scores at once; it moves nothing but last bits.
    """

    name: ClassVar[str] = "rded"
    meaning: ClassVar[str] = "real crops that a teacher finds most realistic, 1 or 4 to an image (RDED)"
    goes_on: ClassVar[bool] = False  # which crop goes where depends on how many images there are

    teacher: str
    sources: int = 300
    crops: int = 5
    factor: int = 1
    batch_size: int = 512

    def __post_init__(self) -> None:
        require_positive(self, "sources", "crops", "factor", "batch_size")

    def open(self, task: Task, device: torch.device) -> Maker:
        """Build the teacher and see that it knows the classes."""
        size, source = task.side(), task.real_images()
        if size < self.factor:
            msg = f"Expected --size of at least factor {self.factor}, found {size}; take a smaller factor."
            raise ConfigError(msg)
        needed = task.images_per_class * self.factor**2
        rows = drawn_rows(task, needed, self.sources)
        if self.sources < needed:
            msg = (
                f"Expected sources of at least {needed}, the crops of {task.images_per_class} images, found "
                f"{self.sources}; raise it."
            )
            raise ConfigError(msg)
        context = ClassifierContext(task.classes, size, None)
        teacher = FrozenClassifier(build_apart(parse_teacher(self.teacher).build, context), device)
        some = even_sample(source.labels, max(1, _CHECKED // len(task.classes)))
        images = torch.stack([square(source.read(int(row)), size) for row in some])
        labels = torch.from_numpy(source.labels[some])
        accuracy = check_teacher(teacher, images, labels, task.classes, "real images")
        return RealCrops(self, task, rows, teacher, {"top1": accuracy, "on": f"{len(some)} real images"})


class Chosen(NamedTuple):
    """The crops of a class that were kept, the most realistic first.

    Attributes:
        patches: in [0, 1], ``(k, 3, s, s)``.
        rows: real image of each, ``(k,)``.
        boxes: top, left, height and width of each in its image, ``(k, 4)``.
        scores: cross entropy of each, ``(k,)``.
    """

    patches: Tensor
    rows: NDArray[np.int64]
    boxes: NDArray[np.int64]
    scores: Tensor


class RealCrops(Maker):
    """Scores the crops of a class once, and puts the images of it together.

    Args:
        settings: how crops are taken.
        task: what is to be made.
        rows: real images of each class.
        teacher: what scores crops.
        accuracy: of the teacher, in plain values.
    """

    def __init__(
        self,
        settings: Rded,
        task: Task,
        rows: list[NDArray[np.int64]],
        teacher: FrozenClassifier,
        accuracy: dict[str, Any],
    ) -> None:
        self._settings, self._task, self._rows, self._teacher = settings, task, rows, teacher
        self._source, self._size = task.real_images(), task.side()
        self._ground = _mean_colour(teacher)
        self._last: tuple[int, Chosen] | None = None
        self.batch = task.images_per_class
        made_by = {"sha256": weights_digest(teacher.network), "accuracy": accuracy}
        self.facts = {"source": _source_facts(self._source), "teacher": made_by}

    def make(self, label: int, numbers: Sequence[int]) -> list[Made]:
        """Images of one class out of its crops."""
        if self._last is None or self._last[0] != label:
            self._last = label, self.choose(label)
        chosen, count = self._last[1], self._task.images_per_class
        images = stitch(chosen.patches, self._size, self._settings.factor)
        pixels = (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()
        made = []
        for number in numbers:
            facts = [
                {
                    "from": self._source.listing.paths[int(chosen.rows[part])],
                    "box": chosen.boxes[part].tolist(),
                    "cross_entropy": round(float(chosen.scores[part]), 6),
                }
                for part in range(number, len(chosen.rows), count)
            ]
            made.append(Made(TF.to_pil_image(pixels[number]), {"crops": facts}))
        return made

    def choose(self, label: int) -> Chosen:
        """Take and score crops of a class, and keep the most realistic.

        Args:
            label: index of the class.
        """
        settings, rows = self._settings, self._rows[label]
        folder, paths = self._task.classes.folders[label], self._source.listing.paths
        seeds = iter([image_seed(self._task.seed, folder, paths[row]) for row in rows.tolist()])
        patches, boxes, scores = [], [], []
        for group in self._groups(rows):
            height, width = group.shape[2:]
            generators = [np.random.default_rng(seed) for seed in islice(seeds, len(group))]
            drawn = np.stack([draw_boxes(height, width, settings.crops, each) for each in generators])
            found, crops = self._scored(group, drawn, label)
            best = found.argmin(dim=1)
            images = torch.arange(len(group), device=best.device)
            patches.append(crops[images, best].cpu())
            scores.append(found[images, best].cpu())
            boxes.append(drawn[images.cpu().numpy(), best.cpu().numpy()])
        of_images = torch.cat(scores)
        kept = torch.argsort(of_images, stable=True)[: self._task.images_per_class * settings.factor**2]
        index = kept.numpy()
        return Chosen(torch.cat(patches)[kept], rows[index], np.concatenate(boxes)[index], of_images[kept])

    def _groups(self, rows: NDArray[np.int64]) -> Iterator[Tensor]:
        """Images one after the other, those of one size together, bytes (B, 3, H, W)."""
        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        images = map_ahead(self._read, rows.tolist(), workers=threads, ahead=64)
        at_once = max(1, self._settings.batch_size // self._settings.crops)
        for _, same in groupby(images, key=lambda image: image.shape):
            while group := list(islice(same, at_once)):
                yield torch.stack(group)

    def _read(self, row: int) -> Tensor:
        pixels: Tensor = TF.pil_to_tensor(self._source.read(row))
        return pixels

    @torch.no_grad()
    def _scored(self, images: Tensor, boxes: NDArray[np.int64], label: int) -> tuple[Tensor, Tensor]:
        """Scores (B, m) and crops (B, m, 3, s, s) of images (B, 3, H, W) of bytes."""
        device, side = self._teacher.device, self._size // self._settings.factor
        crops = resize_crops(images.to(device).float() / 255, torch.from_numpy(boxes).to(device), side)
        whole = on_ground(crops.flatten(0, 1), self._size, self._ground)
        return cross_entropies(self._teacher(whole), label).reshape(crops.shape[:2]), crops


def _mean_colour(teacher: FrozenClassifier) -> Tensor:
    """What the teacher's normalisation takes to zero: its mean, or ImageNet's where it does not say."""
    means = [module.mean for module in teacher.network.modules() if isinstance(module, NormalizedNetwork)]
    found: Tensor = means[0] if means else torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    return found.to(teacher.device)
