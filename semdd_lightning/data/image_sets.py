"""Real images: validation and test splits, the training split of a teacher, and what to predict.

The splits of standard data sets are in `dataset_images`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.labelled_images import LabelledImages, listed_images
from semdd_lightning.datasets import with_imagenet_names
from semdd_lightning.errors import DataError
from semdd_lightning.given import given_path
from semdd_lightning.pools import ClassFolders, PoolReader
from semdd_lightning.pools.files import list_files

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
class PoolImages(ImageSet):
    """Real images in any layout that a pool may have; every one counts, duplicates too.

    An image that cannot be read is an error, not left out.

    Args:
        pool: how to read them.
        held_out: this many images at the end of each class count as held out; 0 keeps the split whole.
        part: which part of the split to take, what was held out or the rest.
    """

    pool: PoolReader

    def prepare(self) -> None:
        """Download or generate what is missing."""
        self.pool.prepare()

    def check(self) -> None:
        """Check that the images are there and fit the class list."""
        self.pool.check()

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The reader's classes, with ImageNet's names where they are named by wnid alone."""
        return with_imagenet_names(self.pool.registry(default))

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """List the images; none is decoded yet."""
        found = self.registry(registry)
        return listed_images(self.pool.listing(found), found)


@dataclass(frozen=True)
class FolderImages(ImageSet):
    """Class folders of real images; every file counts, duplicates too, and an unreadable one is an error.

    Args:
        path: folder that holds one folder a class.
        classes: class list (.txt or .csv) or the name of a data set, as `imagenette`; none reads the folders
            by the classes of the pool.
        class_names: the classes in order, in place of a class list file.
        held_out: this many images at the end of each class count as held out; 0 keeps the split whole.
        part: which part of the split to take, what was held out or the rest.
    """

    path: Path
    classes: Path | str | None = None
    class_names: tuple[str, ...] | None = None

    def check(self) -> None:
        """Check that the folders are there and fit the class list."""
        self._images.check()

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The classes of the folders, with ImageNet's names where they are named by wnid alone."""
        return self._images.registry(default)

    def read_all(self, registry: ClassRegistry | None) -> LabelledImages:
        """List the files; none is decoded yet."""
        return self._images.read_all(registry)

    @property
    def _images(self) -> PoolImages:
        return PoolImages(ClassFolders(self.path, self.classes, self.class_names))


@dataclass(frozen=True)
class UnlabelledImages(ImageSet):
    """Any folder of images, at any depth, whose classes are not known: for ``predict``.

    Args:
        path: the folder.
    """

    path: Path

    def check(self) -> None:
        """Check that the folder is there."""
        if not given_path("the path of images", self.path).expanduser().is_dir():
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
        return listed_images(list_files(Path(self.path).expanduser().absolute(), [("", UNKNOWN)]), registry)
