"""What every pool layout offers: prepare it once, check it cheaply, list it, read it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes import ClassRegistry, registry_from_entries
from semdd_lightning.datasets import find_classes, is_dataset_name
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.given import given_path
from semdd_lightning.pools.index import index_images
from semdd_lightning.pools.listing import Listing
from semdd_lightning.pools.pool import Pool


class PoolReader(ABC):
    """Turns one layout of images on disk into a `Pool`."""

    def prepare(self) -> None:  # noqa: B027 - most pools are already there
        """Download or generate what is missing; called by one process a node, before anything else."""

    @abstractmethod
    def check(self) -> None:
        """Find out cheaply, without decoding an image, whether the pool can be read.

        Raises:
            PoolError: If the pool is missing, empty or malformed.
            ClassListError: If its folders and the class list do not fit together.
        """

    @abstractmethod
    def registry(self, default: ClassRegistry | None = None) -> ClassRegistry:
        """The classes of the pool in their order, without decoding an image.

        Args:
            default: Classes to read the pool by where the reader has no class list of its own.

        Raises:
            ClassListError: If the pool and the class list do not fit together.
        """

    @abstractmethod
    def listing(self, registry: ClassRegistry | None = None) -> Listing:
        """Every image with its class, undecoded, in path order.

        Args:
            registry: What `registry` gave; none asks for it again.

        Raises:
            PoolError: If the pool is missing, empty or malformed.
        """

    def read(self, cache_dir: Path | None = None) -> Pool:
        """Read and decode every image once, through the cached index, and return the usable, distinct ones.

        Args:
            cache_dir: Root of the cache; none takes SEMDD_CACHE or the user's cache folder.

        Raises:
            PoolError: If the pool is missing, empty or malformed, or no image can be read.
            ClassListError: If the pool and the class list do not fit together.
        """
        self.check()
        registry = self.registry()
        return index_images(self.listing(registry), registry, cache_dir)


@dataclass(frozen=True)
class DiskPool(PoolReader):
    """A pool at a path, whose classes may be given by a class list.

    Args:
        path: Where the pool lies.
        classes: Class list: a ``.txt`` (one class a line) or ``.csv`` file
            (``name,folder,wnid,teacher_index``), or the name of a data set, as `imagenette`.
        class_names: The class list written out, in class order: a name, a wnid, or ``wnid name`` each.
            Give it or `classes`, not both.
    """

    path: Path
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
        """The absolute path.

        Raises:
            PoolError: If nothing is there.
        """
        path = Path(self.path).expanduser().absolute()
        if not path.exists():
            msg = f"Expected an image pool at {path}, found nothing there; correct the path."
            raise PoolError(msg)
        return path
