"""How often altered copies are found: ``python -m benchmarks.duplicate_rates --pool TRAIN --test TEST``.

Test images are drawn, altered in one way and put into a pool, and `leaked_images` looks for them among all
test images. Then it looks for test images in the pool as it is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from rich.console import Console
from rich.progress import track
from rich.table import Table

from semdd_lightning.pools import AnyPool, ClassFolders, Pool
from semdd_lightning.pools.images import decode_image
from semdd_lightning.pools.near_duplicates import leaked_images


@dataclass(frozen=True)
class Found:
    """What became of the copies that were altered in one way.

    Args:
        alteration: The way.
        copies: Altered images.
        found: Those that were found, and their original with them.
        another: Those that were taken for another test image, or another test image for them.
    """

    alteration: str
    copies: int
    found: int
    another: int


@dataclass(frozen=True)
class Leaked:
    """What was found between a pool and a test set.

    Args:
        pool_images: Usable images of the pool.
        test_images: Usable test images.
        leaked_pool_images: Those of the pool that look like a test image.
        leaked_test_images: Test images that an image of the pool looks like.
        other_class: Pairs of them whose images are of two classes.
    """

    pool_images: int
    test_images: int
    leaked_pool_images: int
    leaked_test_images: int
    other_class: int


def main() -> None:
    """Measure, print two tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="images that test images may be among")
    parser.add_argument("--test", type=Path, required=True, help="test images of the same classes")
    parser.add_argument("--images", type=int, default=2_000, help="test images to alter (default 2,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of them (default 0)")
    parser.add_argument("--json", type=Path, default=Path("duplicate_rates.json"), help="what to write")
    options = parser.parse_args()
    pool, test = AnyPool(options.pool).read(), AnyPool(options.test).read()
    count = min(options.images, len(test))
    drawn = np.sort(np.random.default_rng(options.seed).choice(len(test), count, replace=False))
    found = [
        find_copies(test, drawn, name, alter)
        for name, alter in track(ALTERATIONS.items(), "Altering", console=Console(stderr=True))
    ]
    leaked = find_leaks(pool, test)
    record = {"seed": options.seed, "altered": [asdict(one) for one in found], "leaked": asdict(leaked)}
    options.json.write_text(json.dumps(record, indent=2) + "\n")
    show(found, leaked)


def find_copies(
    test: Pool, drawn: NDArray[np.int64], alteration: str, alter: Callable[[Image.Image], bytes]
) -> Found:
    """Alter test images in one way and look for them among all test images.

    Args:
        test: The test images.
        drawn: Which of them to alter, shape ``(N,)``.
        alteration: Name of the way.
        alter: Turns an image into the encoded copy.
    """
    with tempfile.TemporaryDirectory(prefix="duplicate-rates-") as temporary:
        folder = Path(temporary) / "pool" / "altered"
        folder.mkdir(parents=True)
        for row, index in enumerate(drawn.tolist()):  # the suffix says nothing: the content is looked at
            (folder / f"{row:08d}.png").write_bytes(alter(decode_image(test.read(index))))
        copies = ClassFolders(folder.parent).read(Path(temporary) / "cache")
        matches = leaked_images(copies, test)
    altered = copies.rows[matches["first"].to_numpy()]  # where the originals stand in `drawn`
    right = drawn[altered] == matches["second"].to_numpy()
    return Found(alteration, len(drawn), len(np.unique(altered[right])), len(np.unique(altered[~right])))


def find_leaks(pool: Pool, test: Pool) -> Leaked:
    """Look for test images in a pool.

    Args:
        pool: The images to train on.
        test: The images to test on, of the same classes.
    """
    matches = leaked_images(pool, test)
    first, second = matches["first"].to_numpy(), matches["second"].to_numpy()
    return Leaked(
        pool_images=len(pool),
        test_images=len(test),
        leaked_pool_images=len(np.unique(first)),
        leaked_test_images=len(np.unique(second)),
        other_class=int((pool.labels[first] != test.labels[second]).sum()),
    )


def encode(image: Image.Image, image_format: str = "PNG", **options: int) -> bytes:
    """The image as a file."""
    with BytesIO() as stream:
        image.save(stream, image_format, **options)
        return stream.getvalue()


def jpeg(quality: int) -> Callable[[Image.Image], bytes]:
    """Encodes an image as JPEG."""
    return lambda image: encode(image, "JPEG", quality=quality)


def resized(factor: float) -> Callable[[Image.Image], bytes]:
    """Resizes an image."""
    return lambda image: encode(
        image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    )


def brightened(factor: float) -> Callable[[Image.Image], bytes]:
    """Multiplies all pixels."""
    return lambda image: encode(ImageEnhance.Brightness(image).enhance(factor))


def mirrored(image: Image.Image) -> bytes:
    """The image seen in a mirror."""
    return encode(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def cropped(pixels: int) -> Callable[[Image.Image], bytes]:
    """Cuts rows off the top and columns off the left of an image, and resizes the rest to its size."""
    return lambda image: encode(
        image.crop((pixels, pixels, *image.size)).resize(image.size, Image.Resampling.BICUBIC)
    )


ALTERATIONS: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG, quality 95": jpeg(95),
    "JPEG, quality 75": jpeg(75),
    "JPEG, quality 50": jpeg(50),
    "half the size": resized(0.5),
    "twice the size": resized(2.0),
    "20 % brighter": brightened(1.2),
    "15 % darker": brightened(0.85),
    "mirrored": mirrored,
    "a row and a column cut off": cropped(1),
}


def show(found: list[Found], leaked: Leaked) -> None:
    """Print what was found."""
    copies = Table("altered copies", "of", "found", "taken for another image", title="Altered test images")
    for one in found:
        shares = (f"{count / one.copies:.2%}" for count in (one.found, one.another))
        copies.add_row(one.alteration, f"{one.copies:,}", *shares)
    leaks = Table("between pool and test set", "images", title="The pool as it is")
    for name, count in asdict(leaked).items():
        leaks.add_row(name.replace("_", " "), f"{count:,}")
    Console().print(copies, leaks)


if __name__ == "__main__":
    main()
