"""Real images for training and testing: splits of standard data sets, and sets of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.datasets import DATASETS, Archive, DatasetSpec, Split, find_dataset
from semdd_lightning.errors import DataError, PoolError
from semdd_lightning.given import given_path
from semdd_lightning.pools import CifarFiles, ClassFolders, ImageNetFiles, ImageSet, TinyImageNetFiles
from semdd_lightning.pools.digits import digits_split
from semdd_lightning.pools.files import list_files
from semdd_lightning.pools.image_set import Found
from semdd_lightning.pools.listing import Listing, list_array

UNKNOWN = -1  # class index of an image without a label


@dataclass(frozen=True)
class DatasetImages(ImageSet):
    """A split of a standard data set in its official form; every image counts, an unreadable one is an error.

    Args:
        dataset: which data set, by its name: cifar10, cifar100, tiny_imagenet, imagenette, imagewoof,
            imageidc, imagenet100, imagenet1k, digits, or fast.ai's imagenette_fastai, imagewoof_fastai.
        root: folder that holds or receives the data set's own folder, or that folder itself. Subsets of
            ImageNet are taken out of ImageNet's.
        split: the images for training or those for testing.
        download: fetch what is missing, where that can be had without an account and checked by a hash.
    """

    dataset: str
    root: Path = Path("data")
    split: Literal["train", "test"] = "test"
    download: bool = True

    def __post_init__(self) -> None:
        find_dataset(self.dataset)

    def prepare(self) -> None:
        """Download the data set if it is not there yet.

        Raises:
            DataError: if it is not there and cannot be fetched; says what to place where.
        """
        layout = self._spec.layout
        if layout == "digits" or (layout != "cifar" and self._is_there()):
            return
        if layout != "cifar" and not (self.download and self._fetchable):
            raise self._missing()
        try:
            self._fetch()
        except (RuntimeError, OSError) as error:
            raise self._missing(str(error)) from error

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The data set's classes in their order, whatever the default."""
        spec, split = self._spec, self.split
        folder: Literal["train", "val"] = "train" if split == "train" else "val"
        if spec.layout == "digits":
            return DigitsImages(split, spec.image_size).find()
        if spec.layout == "cifar":
            try:
                return CifarFiles(self._folder, self.dataset, split=split).find()
            except PoolError as error:
                raise self._missing(str(error)) from error
        if not self._is_there():
            raise self._missing()
        reader = TinyImageNetFiles if spec.layout == "tiny_imagenet" else ImageNetFiles
        return reader(self._folder, self.dataset, split=folder).find()

    @property
    def _spec(self) -> DatasetSpec:
        return DATASETS[self.dataset]

    @property
    def _split(self) -> Split:
        return self._spec.train if self.split == "train" else self._spec.test

    @property
    def _folder(self) -> Path:
        """The data set's own folder: below the root, or the root itself."""
        root, below = self._root, self._root / self._spec.folder
        is_root = root.name == self._spec.folder or (root / self._split.folder).is_dir()
        return root if is_root and not below.is_dir() else below

    @property
    def _root(self) -> Path:
        return Path(self.root).expanduser().absolute()

    def _is_there(self) -> bool:
        return (self._folder / self._split.folder).is_dir()

    def _fetch(self) -> None:
        from torchvision import datasets

        if self._spec.layout == "cifar":
            dataset = getattr(datasets, self.dataset.upper())
            dataset(self._folder.parent, train=self.split == "train", download=self.download)
            return
        for one in self._fetchable:
            place = str(self._root)
            datasets.utils.download_and_extract_archive(one.url, place, filename=one.name, md5=one.md5)

    @property
    def _fetchable(self) -> list[Archive]:
        return [archive for archive in self._spec.archives if archive.url and archive.md5]

    def _missing(self, reason: str = "") -> DataError:
        spec, folder = self._spec, self._root / self._spec.folder
        archives = ", ".join(archive.name for archive in spec.archives)
        source = spec.archives[0].url or spec.obtained
        if self.download and self._fetchable:
            action = f"place {archives} ({source}) in {self._root}, or unpack it to {folder}"
        else:
            action = f"unpack {archives} ({source}) to {folder}"
        return DataError(
            f"Expected {spec.title} in {folder}, found no {self._split.folder} split there"
            f"{f' and no download ({reason})' if reason else ''}; {action}, or give the folder that it lies "
            "in as root."
        )


@dataclass(frozen=True)
class DigitsImages(ImageSet):
    """scikit-learn's handwritten digits, cut into a training and a test half.

    Args:
        split: which half.
        image_size: pixels per side.
    """

    split: Literal["train", "test"] = "test"
    image_size: int = 16

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The ten digits by their English names, and the half out of scikit-learn."""
        classes, never = DATASETS["digits"].registry, np.zeros(3, dtype=np.int64)

        def listing() -> Listing:
            pixels, labels = digits_split(self.split, self.image_size)
            name = f"{self.split}, {self.image_size} px"
            return list_array(Path("digits"), pixels, labels, classes, never, name=name)

        return classes, listing


@dataclass(frozen=True)
class FolderImages(ClassFolders):
    """Class folders of real images; every file counts, duplicates too, and an unreadable one is an error.

    Args:
        path: folder that holds one folder per class.
        classes: class list (.txt or .csv) or the name of a data set, as `imagenette` (default: the
            pool's classes).
        class_names: the classes in order, in place of a class list file.
    """


@dataclass(frozen=True)
class PoolImages(ImageSet):
    """A part of any other image set.

    Args:
        pool: the other set.
    """

    pool: ImageSet

    def prepare(self) -> None:
        """Download or generate what is missing."""
        self.pool.prepare()

    def find(self, default: ClassRegistry | None = None) -> Found:
        """What the other set resolves to."""
        resolved = self.pool.resolve(default)
        return resolved.classes, lambda: resolved.listing


@dataclass(frozen=True)
class UnlabelledImages(ImageSet):
    """Any folder of images, at any depth, whose classes are not known: for ``predict``.

    Args:
        path: the folder.
    """

    path: Path

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The default classes, of which the images themselves say nothing; their class index is -1."""
        folder = given_path("the path of images", self.path).expanduser().absolute()
        if not folder.is_dir():
            msg = f"Expected a folder of images at {folder}, found none; correct it."
            raise DataError(msg)
        if default is None:
            msg = f"Expected another split that knows the classes, found only {self.path}; give data.test."
            raise DataError(msg)
        return default, lambda: list_files(folder, [("", UNKNOWN)])
