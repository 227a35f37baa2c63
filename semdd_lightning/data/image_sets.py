"""Real images: validation and test splits, the training split of a teacher, and what to predict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.labelled_images import LabelledImages, array_images, file_images
from semdd_lightning.errors import DataError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.digits import DIGIT_NAMES, digits_split
from semdd_lightning.pools.files import find_images
from semdd_lightning.prior import with_imagenet_names

UNKNOWN = -1  # class index of an image without a label


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
    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The set's own classes, found without decoding an image.

        Args:
            default: classes to read the set by where it has no class list of its own.
        """

    @abstractmethod
    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """The whole split in the set's own class order; ``registry`` is the default for its classes."""

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

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The classes of the folders, with ImageNet's names where they are named by wnid alone."""
        return with_imagenet_names(self._reader.registry(default))

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """List the files; none is decoded yet."""
        found = self.registry(registry)
        files = self._reader.files(found)
        labels = np.array([label for _, label in files], dtype=np.int64)
        return file_images(Path(self.path).expanduser(), tuple(path for path, _ in files), labels, found)

    @property
    def _reader(self) -> ClassFolders:
        return ClassFolders(self.path, self.classes, self.class_names)


@dataclass(frozen=True)
class UnlabelledImages(ImageSet):
    """Any folder of images, at any depth, whose classes are not known: for ``predict``.

    Args:
        path: the folder.
    """

    path: Path

    def check(self) -> None:
        """Check that the folder is there."""
        if not Path(self.path).expanduser().is_dir():
            msg = f"Expected a folder of images at {Path(self.path).absolute()}, found none; correct it."
            raise DataError(msg)

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The default: the images themselves say nothing."""
        if default is None:
            msg = f"Expected another split that knows the classes, found only {self.path}; give data.test."
            raise DataError(msg)
        return default

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """List the files; their class index is -1."""
        self.check()
        registry = self.registry(registry)
        root = Path(self.path).expanduser()
        files = tuple(sorted(image.relative_to(root).as_posix() for image in find_images(root)))
        return file_images(root, files, np.full(len(files), UNKNOWN), registry)


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

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The classes as torchvision names them."""
        return _registry_of_names(tuple(self._dataset().classes))

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """Load the arrays that torchvision reads."""
        data = self._dataset()
        return array_images(data.data, np.asarray(data.targets), _registry_of_names(tuple(data.classes)))

    def _dataset(self) -> Any:  # noqa: ANN401 - torchvision has no types
        import torchvision.datasets

        return getattr(torchvision.datasets, self.name)(self.root, train=self.train, download=False)


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

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The ten digits by their English names."""
        return _registry_of_names(DIGIT_NAMES)

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """Load the half from scikit-learn."""
        images, labels = digits_split(self.split, self.image_size)
        return array_images(images, labels, self.registry())


def _registry_of_names(names: tuple[str, ...]) -> ClassRegistry:
    return ClassRegistry(names=names, folders=names)
