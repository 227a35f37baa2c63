"""Real images for training and testing: what configs name beside the layouts of `pools`.

The splits of standard data sets are in `dataset_images`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import DataError
from semdd_lightning.given import given_path
from semdd_lightning.pools import ClassFolders, ImageSet
from semdd_lightning.pools.files import list_files
from semdd_lightning.pools.image_set import Found

UNKNOWN = -1  # class index of an image without a label


@dataclass(frozen=True)
class FolderImages(ClassFolders):
    """Class folders of real images; every file counts, duplicates too, and an unreadable one is an error.

    Args:
        path: folder that holds one folder a class.
        classes: class list (.txt or .csv) or the name of a data set, as `imagenette`; none reads the folders
            by the classes of the pool.
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
