"""What every pool layout offers: prepare it once, check it cheaply, read it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from semdd_lightning.classes import ClassRegistry
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
    def registry(self) -> ClassRegistry:
        """The classes of the pool in their order, without reading an image.

        Raises:
            ClassListError: If folders and class list do not fit together.
        """

    @abstractmethod
    def read(self) -> Pool:
        """Read and decode every image once and return the usable, distinct ones.

        Raises:
            PoolError: If the pool is missing, empty or malformed.
            ClassListError: If its folders and the class list do not fit together.
        """
