"""Labelled images at a place: what a pool, its reference and every split for training or testing are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from semdd_lightning.classes import ClassRegistry, registry_from_entries
from semdd_lightning.datasets import find_classes, is_dataset_name, with_imagenet_names
from semdd_lightning.errors import ClassListError, DataError, PoolError
from semdd_lightning.given import given_path
from semdd_lightning.pools.index import index_images
from semdd_lightning.pools.listing import LabelledImages, Listing
from semdd_lightning.pools.pool import Pool

Found = tuple[ClassRegistry, Callable[[], Listing]]
"""The classes of a set with their folders in it, and what lists every image of them, undecoded."""


@dataclass(frozen=True)
class ImageSet(ABC):
    """Labelled images at a place, in one layout; a new layout says in `find` what it holds.

    Args:
        held_out: This many images at the end of each class count as held out; 0 keeps the set whole.
        part: Which part of the set to take, what was held out or the rest.
    """

    _: KW_ONLY
    held_out: int = 0
    part: Literal["held_out", "rest"] = "rest"

    def prepare(self) -> None:  # noqa: B027 - most sets are already there
        """Download or generate what is missing; called by one process per node, before anything else."""

    @abstractmethod
    def find(self, default: ClassRegistry | None = None) -> Found:
        """Find out cheaply, without decoding an image, what is there, and refuse what cannot be read.

        Args:
            default: Classes to read the set by where it has no class list of its own.

        Raises:
            PoolError: If the set is missing, empty or malformed.
            ClassListError: If its folders or labels and the class list do not fit together.
        """

    def resolve(self, default: ClassRegistry | None = None) -> ResolvedImages:
        """The asked part of the set with its final classes, found once for whoever needs it next.

        Args:
            default: Classes to read the set by where it has no class list of its own.

        Raises:
            DataError: If `held_out` is below 0; and what `find` raises.
        """
        if self.held_out < 0:
            msg = f"Expected held_out to be at least 0, found {self.held_out}; 0 keeps the set whole."
            raise DataError(msg)
        classes, list_images = self.find(default)
        return ResolvedImages(self, classes, lambda: self._asked_part(list_images()))

    def check(self) -> None:
        """Find out cheaply, without decoding an image, whether the set can be read; raises as `resolve`."""
        self.resolve()

    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The classes in their order, as `ResolvedImages.registry` gives them."""
        return self.resolve(default).registry

    def listing(self, default: ClassRegistry | None = None) -> Listing:
        """Every image with its class, undecoded, as `ResolvedImages.listing` gives it."""
        return self.resolve(default).listing

    def read(self, cache_dir: Path | None = None) -> Pool:
        """The images as a pool to choose from, as `ResolvedImages.read` gives it."""
        return self.resolve().read(cache_dir)

    def open(self, registry: ClassRegistry | None = None) -> LabelledImages:
        """The images as a split to train or test on, as `ResolvedImages.open` gives it."""
        return self.resolve(registry).open(registry)

    def _asked_part(self, listing: Listing) -> Listing:
        if self.held_out == 0:
            return listing
        asked = listing.take(listing.rows_at_class_ends(self.held_out, inside=self.part == "held_out"))
        if len(asked) == 0:
            msg = f"Expected images in {self}, found none; lower held_out or check the split."
            raise DataError(msg)
        return asked


@dataclass(frozen=True, eq=False)
class ResolvedImages:
    """Images that were found, with their final classes; each is listed, and read, when it is asked for.

    Args:
        image_set: The set that they are of.
        classes: The classes as they are named there.
        list_images: Lists the images.
    """

    image_set: ImageSet
    classes: ClassRegistry
    list_images: Callable[[], Listing]
    _pools: dict[Path | None, Pool] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def registry(self) -> ClassRegistry:
        """The classes, with ImageNet's names where they are named by wnid alone.

        Raises:
            ClassListError: If such a wnid is not one of ImageNet-1K.
        """
        return with_imagenet_names(self.classes)

    @cached_property
    def listing(self) -> Listing:
        """Every image with its class, undecoded."""
        return self.list_images()

    def read(self, cache_dir: Path | None = None) -> Pool:
        """Read and decode every image once, through the cached index; the usable, distinct ones as a pool.

        Its classes are those of `registry`; wnids that have no names in ImageNet-1K stay what they are.

        Args:
            cache_dir: Root of the cache (default: SEMDD_CACHE or the user's cache folder).

        Raises:
            PoolError: If no image can be read.
        """
        if cache_dir not in self._pools:
            try:
                classes = self.registry
            except ClassListError:
                classes = self.classes
            self._pools[cache_dir] = index_images(self.listing, classes, cache_dir)
        return self._pools[cache_dir]

    def open(self, registry: ClassRegistry | None = None) -> LabelledImages:
        """Every image, duplicates too, decoded when it is asked for; one that cannot be is an error then.

        Args:
            registry: The classes to count by (default: the set's own order).

        Raises:
            ClassListError: If the set does not hold the registry's classes.
            DataError: If there is no image.
        """
        if len(self.listing) == 0:
            msg = f"Expected images in {self.listing.root}, found none; correct the path."
            raise DataError(msg)
        images = LabelledImages(self.listing, self.registry)
        return images if registry is None else images.relabelled(registry)


@dataclass(frozen=True)
class DiskPool(ImageSet):
    """A set at a path, whose classes may be given by a class list.

    Args:
        path: Where the set lies.
        classes: Class list: a ``.txt`` (one class per line) or ``.csv`` file
            (``name,folder,wnid,teacher_index``), or the name of a data set, as `imagenette`.
        class_names: The class list written out, in class order: a name, a wnid, or ``wnid name`` each.
            Give it or `classes`, not both.
    """

    path: Path | str
    classes: Path | str | None = None
    class_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        given_path("the path of a pool", self.path)
        if self.classes is not None:  # a path, which a manifest makes absolute, or a name, which it leaves
            kind = str if is_dataset_name(self.classes) else Path
            object.__setattr__(self, "classes", kind(self.classes))

    def _class_list(self, default: ClassRegistry | None = None) -> ClassRegistry | None:
        """The given class list, else the default with its folders forgotten, else none."""
        if self.classes is not None and self.class_names is not None:
            msg = "Expected classes or class_names, found both; remove one of them."
            raise ClassListError(msg)
        if self.classes is not None:
            return find_classes(self.classes)
        if self.class_names is not None:
            return registry_from_entries(self.class_names, "class_names")
        return None if default is None else default.without_folders()

    def _existing(self) -> Path:
        """The absolute path, where something is."""
        path = Path(self.path).expanduser().absolute()
        if not path.exists():
            msg = f"Expected an image pool at {path}, found nothing there; correct the path."
            raise PoolError(msg)
        return path

    def _existing_folder(self) -> Path:
        """The absolute path, where a folder is."""
        path = self._existing()
        if not path.is_dir():
            msg = f"Expected {path} to be a folder of class folders, found a file; give the folder."
            raise PoolError(msg)
        return path
