"""Handwritten digits for the offline quickstart: real images to test on, and a generated pool to select from.

The real images are scikit-learn's digits (1,797 images of 8 x 8 pixels, grey values 0 to 16), the test set
of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository,
1998).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import with_config

from semdd_lightning.atomic import remove_stale_files, temporary_path, writing
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import DamageError, DataError, PoolError
from semdd_lightning.given import cache_root
from semdd_lightning.names import get_logger
from semdd_lightning.pools.files import list_files
from semdd_lightning.pools.image_set import Found, ImageSet
from semdd_lightning.pools.listing import Listing
from semdd_lightning.records import RECORD, in_words, read_record, write_record

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_RECIPE = 2  # part of the folder's name: raise it whenever the same parameters give other pixels
_COMPONENTS = 15  # principal components that the densities live in
_RECORD = "digits.json"
_RANGES = (("images_per_class", 1, 10**5), ("seed", 0, 2**63), ("image_size", 8, 1024))
_WHITE = 16.0  # the brightest grey value of the original images
_log = get_logger(__name__)


def digits_split(
    split: Literal["train", "test"], image_size: int = 16
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Give one half of scikit-learn's handwritten digits, the same half every time.

    Within each class, in the order of the data set, the images at even positions are for training and those
    at odd positions for testing. The halves share no image, but they share writers.

    Args:
        split: Which half: `train` (901 images) or `test` (896).
        image_size: Side S of the images in pixels; the originals are scaled up bicubically from 8.

    Returns:
        Images (N, S, S, 3), grey in three equal channels, values 0 to 255; and labels (N,), 0 to 9.

    Raises:
        DataError: For any other split.

    >>> images, labels = digits_split("test")
    >>> images.shape[1:], images.dtype, len(images) == len(labels)
    ((16, 16, 3), dtype('uint8'), True)
    """
    if split not in ("train", "test"):
        msg = f"Expected split to be 'train' or 'test', found {split!r}; name one of the two."
        raise DataError(msg)
    intensities, labels = _half(split)
    return _to_rgb(intensities, image_size), labels


@with_config(RECORD)
@dataclass(frozen=True)
class _Generated:
    """What a folder of generated digits says of itself: the digest of its images."""

    images: str


@dataclass(frozen=True)
class GeneratedDigits(ImageSet):
    """A pool of generated digits, some of them malformed: something to select from without any download.

    Each class is a Gaussian kernel density over its training images in the space of the training half's first
    15 principal components, as in scikit-learn's example "Kernel Density Estimation" for these data: an image
    is a real one of the class plus noise, and the noise carries some of them towards other digits.

    Args:
        images_per_class: How many images to generate for each digit, 1 to 100,000.
        seed: Seed of the generator that the images are drawn from, at least 0.
        bandwidth: Standard deviation of the kernel along each component, in grey values of the originals
            (0 to 16), above 0. The larger, the more images are malformed: the quickstart's CLIP, zero-shot,
            takes 8 % of them for another digit at 4, 18 % at 6 and 30 % at 8, as the table of
            ``semdd fit --config quickstart.yaml --data.pool.bandwidth 8`` says.
        image_size: Side of the images in pixels, 8 to 1,024.
        root: Folder that the pool's own folder is made in; by default `digits-pool` in the folder that the
            environment variable SEMDD_CACHE names, else in the user's cache folder.

    Raises:
        PoolError: Where a parameter is out of its range.
    """

    images_per_class: int = 50
    seed: int = 0
    bandwidth: float = 6.0
    image_size: int = 16
    root: Path | None = None

    def __post_init__(self) -> None:
        for name, lowest, highest in _RANGES:
            value = getattr(self, name)
            if not lowest <= value <= highest:
                msg = f"Expected {name} to be at least {lowest} and at most {highest}, found {value}."
                raise PoolError(msg)
        if not (self.bandwidth > 0 and np.isfinite(self.bandwidth)):
            msg = f"Expected bandwidth to be above 0 and finite, found {self.bandwidth}; the default is 6.0."
            raise PoolError(msg)

    @property
    def folder(self) -> Path:
        """The pool's own folder; its name changes with every parameter that changes the images."""
        parameters = [_RECIPE, self.images_per_class, self.seed, float(self.bandwidth), self.image_size]
        digest = hashlib.sha256(json.dumps(parameters).encode()).hexdigest()[:12]
        root = cache_root() / "digits-pool" if self.root is None else self.root
        return root / f"digits-{self.images_per_class}-{digest}"

    def prepare(self) -> None:
        """Generate the pool, unless it is there as it was made; several processes may do so at once.

        Raises:
            DiskError: If it cannot be written.
        """
        remove_stale_files(self.folder.parent)
        fault = self._fault()
        if fault is None:
            return
        if self.folder.exists():
            _log.warning("%s is generated anew; found: %s.", self.folder, fault)
        made = temporary_path(self.folder)
        with writing(self.folder):
            try:
                made.parent.mkdir(parents=True, exist_ok=True)
                self._write(made / "pool")
                if self._fault() is None:  # another process was faster
                    return
                with suppress(FileNotFoundError):
                    self.folder.rename(made / "damaged")
                try:
                    (made / "pool").rename(self.folder)
                except OSError:
                    if self._fault() is not None:
                        raise  # else another process was faster by a hair
            finally:
                shutil.rmtree(made, ignore_errors=True)

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The ten digits, each in the folder of its number; what is missing, `prepare` generates."""
        folders = tuple(str(digit) for digit in range(10))

        def list_images() -> Listing:
            fault = self._fault()
            if fault is not None:
                msg = f"Expected the generated digits in {self.folder}, found {fault}; call prepare() first."
                raise PoolError(msg)
            return list_files(self.folder, [(folder, digit) for digit, folder in enumerate(folders)])

        return ClassRegistry(names=DIGIT_NAMES, folders=folders), list_images

    def _fault(self) -> str | None:
        """Why the folder does not hold what was written to it, and nothing else; None where it does."""
        if not self.folder.exists():
            return "no such folder"
        try:
            record = read_record(self.folder / _RECORD, _Generated, DamageError, "it is made anew")
        except DamageError as error:
            return f"no record that can be trusted ({in_words(error)})"
        return None if record.images == _digest_of(self.folder) else "other images than were generated"

    def _write(self, folder: Path) -> None:
        for digit, images in enumerate(self._generate()):
            (folder / str(digit)).mkdir(parents=True)
            for number, pixels in enumerate(images):
                with (folder / str(digit) / f"{number:03d}.png").open("wb") as stream:
                    Image.fromarray(pixels).save(stream, format="PNG")
                    stream.flush()
                    os.fsync(stream.fileno())
        write_record(folder / _RECORD, asdict(_Generated(_digest_of(folder))))

    def _generate(self) -> list[NDArray[np.uint8]]:
        """For each digit its images (images_per_class, S, S, 3)."""
        from sklearn.decomposition import PCA  # takes a second to import, needed only here
        from sklearn.neighbors import KernelDensity

        intensities, labels = _half("train")
        components = PCA(n_components=_COMPONENTS, svd_solver="covariance_eigh").fit(intensities)
        generated = []
        for digit in range(10):
            centres = components.transform(intensities[labels == digit])
            density = KernelDensity(bandwidth=self.bandwidth).fit(centres)
            seed = int(np.random.SeedSequence([self.seed, digit]).generate_state(1)[0])
            drawn = density.sample(self.images_per_class, random_state=seed)
            generated.append(_to_rgb(components.inverse_transform(drawn), self.image_size))
        return generated


def _digest_of(folder: Path) -> str:
    """SHA-256 (hex) over name and content of every file of the digits' folders, in the order of the names."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*/*")):
        digest.update(f"{file.relative_to(folder).as_posix()}\n".encode())
        digest.update(hashlib.sha256(file.read_bytes() if file.is_file() else b"").digest())
    return digest.hexdigest()


@cache
def _originals() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """All digits, read once for pool and splits; nobody writes into them."""
    from sklearn.datasets import load_digits  # takes a second to import, needed only here

    return load_digits(return_X_y=True)  # type: ignore[no-any-return]


def _half(split: Literal["train", "test"]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Intensities (N, 64), 0 to 16, and labels (N,) of one half, in the order of the data set."""
    intensities, labels = _originals()
    first = 0 if split == "train" else 1
    rows = np.sort(np.concatenate([np.flatnonzero(labels == digit)[first::2] for digit in range(10)]))
    return np.asarray(intensities[rows], dtype=np.float64), np.asarray(labels[rows], dtype=np.int64)


def _to_rgb(intensities: NDArray[np.float64], image_size: int) -> NDArray[np.uint8]:
    """(N, 64) of 0 to 16, clipped, to (N, S, S, 3) of 0 to 255."""
    grey = np.rint(np.clip(intensities, 0, _WHITE) * (255 / _WHITE)).astype(np.uint8).reshape(-1, 8, 8)
    size = (image_size, image_size)
    scaled = [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in grey]
    return np.repeat(np.stack(scaled)[..., None], 3, axis=-1)
