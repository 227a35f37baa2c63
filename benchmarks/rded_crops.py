"""Crops that a teacher scores, against RDED's own code: ``python -m benchmarks.rded_crops --rded CHECKOUT``.

    git clone https://github.com/LINs-lab/RDED rded
    python -m benchmarks.rded_crops --rded rded
    python -m benchmarks.rded_crops --rded rded --teacher resnet18 --size 224 --factor 2

Both read JPEG files, crop every image several times, score the crops by one teacher, keep the best of each
image, and put the best of these together. Theirs is the code of its ``synthesize`` folder: a loader that
crops image by image, with as many processes as it has by default and with none, and its ``selector``. Rates
are real images per second, their crops included. Without a checkout a loop after its description stands in.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms.v2 import functional as TF

from benchmarks.measuring import Ratio, Result, arguments, paired, time_in_turns
from benchmarks.rded_loop import WORKERS, rded_code
from benchmarks.training_task import TrainingTask
from semdd_lightning.data.classifier import FrozenClassifier
from semdd_lightning.generation import Rded, Task, with_folders
from semdd_lightning.generation.crops import draw_boxes
from semdd_lightning.generation.real_images import RealCrops
from semdd_lightning.models import IMAGENET_MEAN, IMAGENET_STD
from semdd_lightning.pools import ClassFolders

_MODULES = ("synthesize.utils", "validation.utils")
_STATISTICS = (IMAGENET_MEAN, IMAGENET_STD)
Contestant = Callable[[], object]


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = arguments("rded_crops", __doc__, "a small form of it")
    parser.add_argument("--teacher", default="conv3", help="short name of the teacher")
    parser.add_argument("--size", type=int, default=32, help="pixels per side")
    parser.add_argument("--factor", type=int, default=1, help="crops per side of an image")
    parser.add_argument("--crops", type=int, default=5, help="crops of each real image")
    parser.add_argument("--images", type=int, default=300, help="real images of each of two classes")
    parser.add_argument("--rded", type=Path, help="checkout of RDED's code (default: a loop stands in)")
    options = parser.parse_args()
    result = quick() if options.quick else _measure_as(options)
    result.publish(options.json)


def quick() -> Result:
    """Twelve images of 16 px per class."""
    with tempfile.TemporaryDirectory() as root:
        task = TrainingTask(Path(root), image_size=16, num_images=24, num_classes=2).write()
        return measure(task, Rded("unused", sources=12, crops=2), 2, rounds=2)


def measure(
    task: TrainingTask, settings: Rded, images_per_class: int, rounds: int = 5, rded: Path | None = None
) -> Result:
    """Time all contestants in turns.

    Args:
        task: Real images and teacher.
        settings: How crops are taken.
        images_per_class: Images that are made.
        rounds: Rounds that count.
        rded: Checkout of RDED's code.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    teacher = FrozenClassifier(task.teacher_network(), device)
    found = ClassFolders(task.images).resolve()
    what = Task(with_folders(found.registry), images_per_class, task.image_size, 0, found.open())
    rows = [
        np.flatnonzero(what.real_images().labels == c)[: settings.sources] for c in range(task.num_classes)
    ]

    def ours() -> None:
        maker = RealCrops(settings, what, rows, teacher, {})
        for label in range(task.num_classes):
            maker.make(label, range(images_per_class))

    seconds = time_in_turns({"ours": ours, **_others(task, settings, what, teacher, rded)}, rounds)
    images = sum(map(len, rows))
    return Result(
        benchmark="rded_crops",
        settings={
            "teacher": task.student,
            "size": task.image_size,
            "images": images,
            "crops": settings.crops,
            "factor": settings.factor,
        },
        ratios=[
            Ratio(f"{name} / ours", paired(times, seconds["ours"]))
            for name, times in seconds.items()
            if name != "ours"
        ],
        seconds=seconds,
        figures={f"{name}, images/s": images / median(times) for name, times in seconds.items()},
    )


def _others(
    task: TrainingTask, settings: Rded, what: Task, teacher: FrozenClassifier, rded: Path | None
) -> dict[str, Contestant]:
    if rded is None:
        return {"a loop after RDED's description": lambda: literal_loop(settings, what, teacher)}
    return {
        f"RDED's own code{name}": lambda workers=workers: rded_images(  # type: ignore[misc]
            task, settings, what.images_per_class, teacher, rded, workers
        )
        for name, workers in {"": WORKERS, ", no workers": 0}.items()
    }


@torch.no_grad()
def literal_loop(settings: Rded, what: Task, teacher: FrozenClassifier) -> list[Tensor]:
    """Crops one at a time, scored image by image: an imitation, for where RDED's code is not at hand.

    Args:
        settings: How crops are taken.
        what: Real images and sizes.
        teacher: What scores crops.
    """
    source, side, chosen = what.real_images(), what.side() // settings.factor, []
    for label in range(len(what.classes)):
        best = []
        for row in np.flatnonzero(source.labels == label)[: settings.sources]:
            image = TF.to_dtype(TF.pil_to_tensor(source.read(int(row))), torch.float32, scale=True)
            _, rows, columns = image.shape
            boxes = draw_boxes(rows, columns, settings.crops, np.random.default_rng(int(row)))
            crops = torch.stack([TF.resized_crop(image, *box, [side, side]) for box in boxes.tolist()])
            first = (what.side() - side) // 2
            padded = TF.pad(crops, [first, first, what.side() - side - first, what.side() - side - first])
            scores = -torch.log_softmax(teacher(padded.to(teacher.device)), dim=1)[:, label]
            best.append((float(scores.min()), crops[int(scores.argmin())]))
        best.sort(key=lambda one: one[0])
        chosen.append(torch.stack([crop for _, crop in best[: what.images_per_class * settings.factor**2]]))
    return chosen


def rded_images(
    task: TrainingTask,
    settings: Rded,
    images_per_class: int,
    teacher: FrozenClassifier,
    checkout: Path,
    workers: int = WORKERS,
) -> list[Tensor]:
    """Images of every class by RDED's own crops, `selector` and `mix_images`, normalised as there.

    Args:
        task: Real images.
        settings: How crops are taken.
        images_per_class: Images that are made.
        teacher: What scores crops; its own normalisation is taken off, as RDED's loader does it.
        checkout: Folder of RDED's code.
        workers: Processes that load its images.
    """
    bare, size = nn.Sequential(_Denormalized(), teacher.network).to(teacher.device), task.image_size
    made = []
    with _synthesis(checkout) as (synthesis, validation):
        transform = transforms.Compose(
            [
                transforms.ToTensor(),
                synthesis.MultiRandomCrop(num_crop=settings.crops, size=size, factor=settings.factor),
                synthesis.normalize,
            ]
        )
        sources = min(settings.sources, task.num_images // task.num_classes)
        images = validation.ImageFolder(
            classes=range(task.num_classes),
            ipc=sources,
            shuffle=True,
            root=str(task.images),
            transform=transform,
        )
        loader: DataLoader[Any] = DataLoader(images, batch_size=sources, num_workers=workers)
        for crops, labels in loader:
            best = synthesis.selector(
                images_per_class * settings.factor**2, bare, crops, labels, size, m=settings.crops
            )
            made.append(synthesis.mix_images(best.cpu(), size, settings.factor, images_per_class))
    return made


class _Denormalized(nn.Module):
    """From images that RDED has normalised back to [0, 1], which our networks take."""

    def forward(self, images: Tensor) -> Tensor:
        """Take the normalisation off."""
        mean, std = (torch.tensor(values, device=images.device).view(3, 1, 1) for values in _STATISTICS)
        return images * std + mean


@contextlib.contextmanager
def _synthesis(checkout: Path) -> Iterator[list[ModuleType]]:
    """Two modules of its code, which prints and warns a lot."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        with rded_code(checkout, *_MODULES) as modules:
            yield modules


def _measure_as(options: argparse.Namespace) -> Result:
    with tempfile.TemporaryDirectory() as root:
        task = TrainingTask(
            Path(root), options.teacher, options.size, 2 * options.images, num_classes=2
        ).write()
        settings = Rded("unused", sources=options.images, crops=options.crops, factor=options.factor)
        kept = max(1, options.images // 6 // options.factor**2)
        return measure(task, settings, kept, options.rounds, options.rded)


if __name__ == "__main__":
    main()
