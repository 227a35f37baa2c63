"""Evaluation against the forward pass alone: `python -m benchmarks.evaluation_rate --student conv3`.

Ours is `Trainer.test` on a test split in memory, with its top-1 and top-5 accuracy; the limit is the
student's forward pass over batches of floats in memory, as large as ours. Decoding the split comes before
both, and both keep freed memory, as `semdd` does on a CPU.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from benchmarks.measuring import Ratio, Result, arguments, paired, time_in_turns
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import ImageDataModule
from semdd_lightning.freed_memory import keep_freed_memory
from semdd_lightning.pools import ImageSet
from semdd_lightning.pools.image_set import Found
from semdd_lightning.pools.listing import Listing, list_array
from semdd_lightning.training import ClassifierModule

BAR = 0.95
NUM_CLASSES = 10


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = arguments("evaluation_rate", __doc__, "a small form of it")
    parser.add_argument("--student", default="conv3", help="short name of the student")
    parser.add_argument("--size", type=int, default=32, help="pixels per side")
    parser.add_argument("--images", type=int, default=10_000, help="images of the test split")
    options = parser.parse_args()
    if options.quick:
        result = quick()
    else:
        result = measure(options.student, options.size, options.images, options.rounds)
    result.publish(options.json)


def quick() -> Result:
    """A thousand images."""
    return measure("conv3", 32, 1000, rounds=3)


def measure(student: str, image_size: int, num_images: int, rounds: int = 5) -> Result:
    """Time both in turns.

    Args:
        student: Short name.
        image_size: Pixels a side.
        num_images: Images of the test split.
        rounds: Rounds that count.
    """
    keep_freed_memory()
    evaluation = Evaluation(student, image_size, num_images)
    evaluation.test()  # decodes the split
    evaluation.keep_batches()
    seconds = time_in_turns({"ours": evaluation.test, "forward alone": evaluation.forward_alone}, rounds)
    ratio = paired(seconds["forward alone"], seconds["ours"])
    bar = BAR if num_images >= 10_000 else None
    return Result(
        "evaluation_rate",
        {
            "student": student,
            "image_size": image_size,
            "num_images": num_images,
            "batch_size": evaluation.data.evaluation_batch_size,
        },
        [Ratio("limit / ours", ratio, bar)],
        seconds,
    )


class Evaluation:
    """A student and its test split, evaluated in two ways.

    Args:
        student: Short name.
        image_size: Pixels a side.
        num_images: Images of the test split.
    """

    def __init__(self, student: str, image_size: int, num_images: int) -> None:
        split = NoiseImages(num_images, image_size)
        self.data = ImageDataModule(None, NUM_CLASSES, image_size, test=split)
        self.module = ClassifierModule(student, NUM_CLASSES, image_size)
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        self.trainer = Trainer(devices=1, logger=False, enable_progress_bar=False, enable_checkpointing=False)
        self.batches: list[tuple[Tensor, Tensor]] = []

    def test(self) -> dict[str, float]:
        """Accuracies as `semdd test` finds them."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            (found,) = self.trainer.test(self.module, datamodule=self.data, verbose=False)
        return dict(found)

    def keep_batches(self) -> None:
        """Put the split into memory as the floats that the student takes."""
        device = self.trainer.strategy.root_device
        for batch in self.data.test_dataloader():
            self.batches.append((batch.images.to(device).float() / 255, batch.labels.to(device)))

    @torch.inference_mode()
    def forward_alone(self) -> Tensor:
        """All logits, (N, C)."""
        network: nn.Module = self.module.network.to(self.batches[0][0].device).eval()
        return torch.cat([network(images) for images, _ in self.batches])


@dataclass(frozen=True)
class NoiseImages(ImageSet):
    """Noise with random labels.

    Args:
        count: Images.
        image_size: Pixels a side.
    """

    count: int = 10_000
    image_size: int = 32

    def find(self, default: ClassRegistry | None = None) -> Found:
        """Ten classes."""
        names = tuple(f"class {index}" for index in range(NUM_CLASSES))
        classes = ClassRegistry(names=names, folders=names)
        return classes, lambda: self._draw(classes)

    def _draw(self, classes: ClassRegistry) -> Listing:
        generator = np.random.default_rng(0)
        shape = (self.count, self.image_size, self.image_size, 3)
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        labels = generator.integers(0, NUM_CLASSES, self.count)
        never = np.zeros(3, dtype=np.int64)
        return list_array(Path("noise"), pixels, labels, classes, never, name="drawn")


if __name__ == "__main__":
    main()
