"""Real labelled images: validation and test splits, and the training split of a teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, DataError
from semdd_lightning.pools import ClassFolders, Pool, read_image
from semdd_lightning.pools.digits import DIGIT_NAMES, digits_split


@dataclass(frozen=True)
class LabelledImages:
    """Images that can be read one by one, with their class indices.

    Attributes:
        labels: class index of each image, (N,).
        source: gives an image of the underlying set as RGB; it travels to worker processes.
        rows: which image of the underlying set each one is, (N,).
        registry: the classes that the labels count.
    """

    labels: NDArray[np.int64]
    source: Callable[[int], Image.Image]
    rows: NDArray[np.int64]
    registry: ClassRegistry

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int) -> Image.Image:
        """The image at ``index``."""
        return self.source(int(self.rows[index]))

    def take(self, index: NDArray[np.int64]) -> LabelledImages:
        """The images at ``index`` (n,), in this order."""
        return replace(self, labels=self.labels[index], rows=self.rows[index])

    def last_per_class(self, count: int) -> LabelledImages:
        """Only the last ``count`` images of each class, in order."""
        return self.take(np.flatnonzero(self._places_from_end() < count))

    def without_last_per_class(self, count: int) -> LabelledImages:
        """All but the last ``count`` images of each class, in order."""
        return self.take(np.flatnonzero(self._places_from_end() >= count))

    def _places_from_end(self) -> NDArray[np.int64]:
        """For each image, how many of its class follow it, (N,)."""
        places = np.empty(len(self), dtype=np.int64)
        for label in np.unique(self.labels):
            rows = np.flatnonzero(self.labels == label)
            places[rows] = np.arange(len(rows))[::-1]
        return places

    def relabelled(self, registry: ClassRegistry) -> LabelledImages:
        """The same images counted in another registry's order, matched by wnid or by name.

        Raises:
            ClassListError: if the two do not hold the same classes.
        """
        if registry.names == self.registry.names and registry.wnids == self.registry.wnids:
            return self
        own, other = _keys(self.registry), _keys(registry)
        by_wnid = self.registry.wnids is not None and registry.wnids is not None
        if not by_wnid:
            own, other = _names(self.registry), _names(registry)
        if set(own) != set(other) or len(set(own)) != len(own):
            missing, extra = sorted(set(other) - set(own))[:5], sorted(set(own) - set(other))[:5]
            msg = (
                f"Expected real images of the pool's {len(other)} classes, found {len(own)} classes "
                f"(missing: {missing}, unknown: {extra}); give both the same class list."
            )
            raise ClassListError(msg)
        index = np.array([other.index(key) for key in own], dtype=np.int64)
        return replace(self, labels=index[self.labels], registry=registry)


@dataclass(frozen=True)
class ImageSet(ABC):
    """A split of a real data set.

    Args:
        held_out: this many images at the end of each class count as held out; 0 keeps the split whole.
        part: which part of the split to take, what was held out or the rest.
    """

    _: KW_ONLY
    held_out: int = 0
    part: Literal["held_out", "rest"] = "rest"

    def prepare(self) -> None:  # noqa: B027 - most sets are already there
        """Download or generate what is missing; called by one process a node."""

    def check(self) -> None:  # noqa: B027 - nothing can be missing of an array
        """Find what is missing before anything expensive runs."""

    @abstractmethod
    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """The whole split; ``registry`` helps a set that has no class list of its own."""

    def open(self, registry: ClassRegistry | None = None) -> LabelledImages:
        """The asked part of the split, in the order of ``registry`` or in the set's own.

        Raises:
            ClassListError: if the set does not hold the registry's classes.
            DataError: if nothing is left to read.
        """
        images = self.read_all(registry)
        if self.held_out > 0:
            keep = images.last_per_class if self.part == "held_out" else images.without_last_per_class
            images = keep(self.held_out)
        if len(images) == 0:
            msg = f"Expected images in {self}, found none; lower held_out or check the split."
            raise DataError(msg)
        return images if registry is None else images.relabelled(registry)


@dataclass(frozen=True)
class FolderImages(ImageSet):
    """Class folders of real images; every file counts, duplicates too, and an unreadable one is an error.

    Args:
        path: folder that holds one folder a class.
        classes: class list (.txt or .csv); none reads the folders by the classes of the pool.
        class_names: the classes in order, in place of a class list file.
        held_out: this many images at the end of each class count as held out; 0 keeps the split whole.
        part: which part of the split to take, what was held out or the rest.
    """

    path: Path
    classes: Path | None = None
    class_names: tuple[str, ...] | None = None

    def check(self) -> None:
        """Check that the folders are there and fit the class list."""
        self._reader.check()

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """List the files; none is decoded yet."""
        found = self._reader.registry(registry)
        files = self._reader.files(found)
        source = partial(_read_file, Path(self.path).expanduser(), tuple(path for path, _ in files))
        labels = np.array([label for _, label in files], dtype=np.int64)
        return LabelledImages(labels, source, np.arange(len(files)), found)

    @property
    def _reader(self) -> ClassFolders:
        return ClassFolders(self.path, self.classes, self.class_names)


@dataclass(frozen=True)
class TorchvisionImages(ImageSet):
    """CIFAR-10 or CIFAR-100 in the official form that torchvision reads and, where it may, downloads.

    Args:
        name: which data set.
        root: folder that holds or receives the data.
        train: the training split rather than the test split.
        download: fetch what is missing.
        held_out: this many images at the end of each class count as held out; 0 keeps the split whole.
        part: which part of the split to take, what was held out or the rest.
    """

    name: Literal["CIFAR10", "CIFAR100"] = "CIFAR10"
    root: Path = Path("data")
    train: bool = False
    download: bool = True

    def prepare(self) -> None:
        """Download the data set if it is not there yet."""
        import torchvision.datasets

        dataset = getattr(torchvision.datasets, self.name)
        try:
            dataset(self.root, train=self.train, download=self.download)
        except (RuntimeError, OSError) as error:
            msg = (
                f"Expected {self.name} under {self.root.absolute()}, found none and no download ({error}); "
                f"place the official archive {dataset.filename} there, or its unpacked folder "
                f"{dataset.base_folder}/."
            )
            raise DataError(msg) from error

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """Load the arrays that torchvision reads."""
        import torchvision.datasets

        data = getattr(torchvision.datasets, self.name)(self.root, train=self.train, download=False)
        names = tuple(data.classes)
        own = ClassRegistry(names=names, folders=names)
        return _array_images(data.data, np.asarray(data.targets), own)


@dataclass(frozen=True)
class DigitsImages(ImageSet):
    """scikit-learn's handwritten digits, cut into a training and a test half.

    Args:
        split: which half.
        image_size: pixels a side.
        held_out: this many images at the end of each class count as held out; 0 keeps the split whole.
        part: which part of the split to take, what was held out or the rest.
    """

    split: Literal["train", "test"] = "test"
    image_size: int = 16

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """Load the half from scikit-learn."""
        images, labels = digits_split(self.split, self.image_size)
        own = ClassRegistry(names=DIGIT_NAMES, folders=DIGIT_NAMES)
        return _array_images(images, labels, own)


def pool_images(pool: Pool) -> LabelledImages:
    """The images of a pool."""
    source = partial(_read_file, pool.root, pool.paths)
    return LabelledImages(pool.labels, source, np.arange(len(pool)), pool.registry)


def _read_file(root: Path, paths: tuple[str, ...], index: int) -> Image.Image:
    try:
        return read_image(root / paths[index])
    except OSError as error:
        msg = f"Expected an image in {root / paths[index]}, found none ({error}); replace or remove the file."
        raise DataError(msg) from error


def _array_images(
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], registry: ClassRegistry
) -> LabelledImages:
    """Images held in one array, (N, H, W, 3)."""
    return LabelledImages(labels, partial(_read_row, pixels), np.arange(len(labels)), registry)


def _read_row(pixels: NDArray[np.uint8], index: int) -> Image.Image:
    return Image.fromarray(pixels[index])


def _keys(registry: ClassRegistry) -> list[str]:
    return list(registry.wnids or ())


def _names(registry: ClassRegistry) -> list[str]:
    return [name.casefold().replace("_", " ").replace("-", " ") for name in registry.names]
