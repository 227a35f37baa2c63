"""``rded``: the most realistic crops of real images by a teacher's judgement, one or four to an image."""

from __future__ import annotations

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
from semdd_lightning.errors import ConfigError
from semdd_lightning.generation.crops import (
    cross_entropies,
    draw_boxes,
    on_ground,
    resize_crops,
    stitch,
)
from semdd_lightning.generation.generator import Generator, Made, Maker, Task, image_seed
from semdd_lightning.generation.random_images import drawn_rows, source_facts
from semdd_lightning.models import IMAGENET_MEAN, NormalizedNetwork
from semdd_lightning.threads import map_ahead
from semdd_lightning.training.checkpoint_card import weights_digest
from semdd_lightning.training.teachers.checked import check_teacher
from semdd_lightning.training.teachers.library_teacher import parse_teacher

_CHECKED = 1_000  # real images that the teacher is checked on
_MOST_THREADS = 16  # that decode


@dataclass(frozen=True)
class Rded(Generator):
    """Crops of real images that a teacher takes for their class (arXiv 2312.03526).

    Args:
        teacher: a classifier of these classes: a checkpoint or run directory of `semdd fit`, torchvision/NAME
            or timm/NAME, either with :FILE of its weights.
        sources: real images of each class that crops are taken of; of fewer all.
        crops: crops of each, of which the most realistic one stays. RDED takes 5, or 1 where images are many.
        factor: crops a side of an image: 1 up to 64 px, 2 for larger ones.
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
        for what in ("sources", "crops", "factor", "batch_size"):
            if getattr(self, what) < 1:
                msg = f"Expected {what} of at least 1, found {getattr(self, what)}; correct it."
                raise ConfigError(msg)

    def open(self, task: Task, device: torch.device) -> Maker:
        """Build the teacher and see that it knows the classes."""
        size, source = task.side(), task.real_images()
        if size < self.factor:
            msg = f"Expected --size of at least factor {self.factor}, found {size}; take a smaller factor."
            raise ConfigError(msg)
        rows = drawn_rows(task, task.images_per_class * self.factor**2, self.sources)
        needed = task.images_per_class * self.factor**2
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
        self._side = task.side() // settings.factor
        self._ground = _mean_colour(teacher)
        self._last: tuple[int, Chosen] | None = None
        self.batch = task.images_per_class
        digest = weights_digest(teacher.network)
        self.facts = {
            "source": source_facts(task.real_images()),
            "teacher": {"sha256": digest, "accuracy": accuracy},
        }

    def make(self, label: int, numbers: Sequence[int]) -> list[Made]:
        """Images of one class out of its crops."""
        if self._last is None or self._last[0] != label:
            self._last = label, self.choose(label)
        chosen, count = self._last[1], self._task.images_per_class
        images = stitch(chosen.patches, self._task.side(), self._settings.factor)
        pixels = (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()
        paths = self._task.real_images().listing.paths
        made = []
        for number in numbers:
            parts = range(number, count * self._settings.factor**2, count)
            facts = [
                {
                    "from": paths[int(chosen.rows[part])],
                    "box": chosen.boxes[part].tolist(),
                    "cross_entropy": round(float(chosen.scores[part]), 6),
                }
                for part in parts
            ]
            made.append(Made(TF.to_pil_image(pixels[number]), {"crops": facts}))
        return made

    def choose(self, label: int) -> Chosen:
        """Take and score crops of a class, and keep the most realistic.

        Args:
            label: index of the class.
        """
        rows, folder = self._rows[label], self._task.classes.folders[label]
        paths = self._task.real_images().listing.paths
        patches, boxes, scores, place = [], [], [], 0
        for group in self._groups(rows):
            of_group = rows[place : place + len(group)].tolist()
            generators = [
                np.random.default_rng(image_seed(self._task.seed, folder, paths[row])) for row in of_group
            ]
            height, width = group.shape[2:]
            drawn = np.stack([draw_boxes(height, width, self._settings.crops, each) for each in generators])
            found, crops = self._scored(group, drawn, label)
            best = found.argmin(dim=1)
            images = torch.arange(len(group), device=best.device)
            patches.append(crops[images, best].cpu())
            scores.append(found[images, best].cpu())
            boxes.append(drawn[images.cpu().numpy(), best.cpu().numpy()])
            place += len(group)
        of_images = torch.cat(scores)
        kept = torch.argsort(of_images, stable=True)[: self._task.images_per_class * self._settings.factor**2]
        index = kept.numpy()
        return Chosen(torch.cat(patches)[kept], rows[index], np.concatenate(boxes)[index], of_images[kept])

    def _groups(self, rows: NDArray[np.int64]) -> Iterator[Tensor]:
        """Images one after the other, those of one size together, bytes (B, 3, H, W)."""
        images = map_ahead(self._read, rows.tolist(), workers=_threads(), ahead=64)
        at_once = max(1, self._settings.batch_size // self._settings.crops)
        for _, same in groupby(images, key=lambda image: image.shape):
            while group := list(islice(same, at_once)):
                yield torch.stack(group)

    @torch.no_grad()
    def _scored(self, images: Tensor, boxes: NDArray[np.int64], label: int) -> tuple[Tensor, Tensor]:
        """Scores (B, m) and crops (B, m, 3, s, s) of images (B, 3, H, W) of bytes."""
        device = self._teacher.device
        crops = resize_crops(images.to(device).float() / 255, torch.from_numpy(boxes).to(device), self._side)
        whole = on_ground(crops.flatten(0, 1), self._task.side(), self._ground)
        return cross_entropies(self._teacher(whole), label).reshape(crops.shape[:2]), crops

    def _read(self, row: int) -> Tensor:
        pixels: Tensor = TF.pil_to_tensor(self._task.real_images().read(row))
        return pixels


def _threads() -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1)


def _mean_colour(teacher: FrozenClassifier) -> Tensor:
    """What the teacher's normalisation takes to zero: its mean, or ImageNet's where it does not say."""
    means = [module.mean for module in teacher.network.modules() if isinstance(module, NormalizedNetwork)]
    found: Tensor = means[0] if means else torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    return found.to(teacher.device)
