"""Cuts the pools and validation parts of docs/results/selection.md out of CIFAR-10.

    python -m benchmarks.evidence.pools cifar10 pools

CIFAR-10 lies in folders ``train/<class>/NNNN.jpg`` and ``test/<class>/NNNN.jpg``. What is made, per class:

- ``cifar10_400``: the training images 4000 to 4399, which the prior used there has not been trained on;
- ``cifar10_noisy``: 60 of these, 20 images of other classes, and 20 that are blurred, noised or nearly blank;
- ``cifar10_validation``: the training images 4400 to 4999, on which parameters were chosen.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

REAL, OTHER, DAMAGED = 60, 20, 20
FIRST, LAST, END = 4000, 4400, 5000


def main() -> None:
    """Make all three folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cifar10", type=Path, help="folder with train/<class>/NNNN.jpg")
    parser.add_argument("out", type=Path, help="where the folders are made")
    options = parser.parse_args()
    train = options.cifar10 / "train"
    names = sorted(folder.name for folder in train.iterdir())
    for index, name in enumerate(names):
        _copy(train, name, range(FIRST, LAST), options.out / "cifar10_400" / name)
        _copy(train, name, range(LAST, END), options.out / "cifar10_validation" / name)
        noisy = options.out / "cifar10_noisy" / name
        _copy(train, name, range(FIRST, FIRST + REAL), noisy)
        for place in range(OTHER):
            other = names[(index + 1 + place % (len(names) - 1)) % len(names)]
            source = train / other / f"{FIRST + REAL + place:04d}.jpg"
            shutil.copyfile(source, noisy / f"other_{other}_{source.name}")
        generator = np.random.default_rng([0, index])
        for place in range(DAMAGED):
            source = train / name / f"{FIRST + REAL + OTHER + place:04d}.jpg"
            with Image.open(source) as image:
                damaged = damage(image.convert("RGB"), place, generator)
            damaged.save(noisy / f"damaged_{source.stem}.png")


def damage(image: Image.Image, place: int, generator: np.random.Generator) -> Image.Image:
    """One of three damages in turn: strong blur, strong noise, or next to nothing on a grey ground.

    Args:
        image: the picture.
        place: its number, which chooses the damage.
        generator: of the noise.
    """
    if place % 3 == 0:
        return image.filter(ImageFilter.GaussianBlur(4))
    pixels = np.asarray(image, dtype=np.float64)
    noise = generator.normal(size=pixels.shape)
    mixed = 0.3 * pixels + 90 + 80 * noise if place % 3 == 1 else 128 + 0.03 * (pixels - 128) + 2 * noise
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _copy(train: Path, name: str, numbers: range, target: Path) -> None:
    target.mkdir(parents=True)
    for number in numbers:
        shutil.copyfile(train / name / f"{number:04d}.jpg", target / f"{number:04d}.jpg")


if __name__ == "__main__":
    main()
