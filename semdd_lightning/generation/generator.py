"""What every generator of pools offers: a description, a maker of images once it is opened, and its seeds."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ConfigError
from semdd_lightning.pools.listing import LabelledImages
from semdd_lightning.prior import Prior

SEED_RULE = "first 63 bits of SHA-256 of 'SEED/FOLDER/NUMBER': an image's seed knows no batch and no rank"


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be made.

    Attributes:
        classes: the classes; their folders are those that the images go to.
        images_per_class: images of each class.
        image_size: pixels per side (default: as its model makes it).
        seed: what all drawing starts from.
        source: real images of these classes, where there are some.
        prior: a CLIP model that looks at prompts before, and at images after they are made.
    """

    classes: ClassRegistry
    images_per_class: int
    image_size: int | None
    seed: int
    source: LabelledImages | None = None
    prior: Prior | None = None

    def real_images(self) -> LabelledImages:
        """The real images.

        Raises:
            ConfigError: if there are none.
        """
        if self.source is None:
            msg = "Expected real images to take from, found none; give --source DIR or --dataset NAME."
            raise ConfigError(msg)
        return self.source

    def side(self) -> int:
        """Pixels a side.

        Raises:
            ConfigError: if they were not given.
        """
        if self.image_size is None:
            msg = "Expected --size, found none; say how many pixels per side the images shall have."
            raise ConfigError(msg)
        return self.image_size


class Made(NamedTuple):
    """An image, and what it was made of: plain values, which its file says too."""

    image: Image.Image
    facts: dict[str, Any]


class Maker(ABC):
    """Makes images of a task; an image depends on the task, its class and its number alone.

    Attributes:
        batch: images of a class that are made together; the ranks share out batches.
        facts: what all images are made with, in plain values: a network and its digest, real images.
    """

    batch: int
    facts: dict[str, Any]

    def of_class(self, label: int) -> dict[str, Any]:
        """What the images of a class are made with, as its prompts.

        Args:
            label: index of the class.
        """
        return {}

    @abstractmethod
    def make(self, label: int, numbers: Sequence[int]) -> list[Made]:
        """Images of one class.

        Args:
            label: index of the class.
            numbers: which of its images, at most `batch` of them.
        """


class Generator(ABC):
    """Describes how a pool is made; a frozen dataclass, cheap until it is opened.

    Attributes:
        name: what ``--generator`` calls it.
        meaning: what its images are, in a few words.
        needs_source: whether it takes real images.
        goes_on: whether image number n is the same however many are made.
    """

    name: ClassVar[str]
    meaning: ClassVar[str]
    needs_source: ClassVar[bool] = True
    goes_on: ClassVar[bool] = True

    @abstractmethod
    def open(self, task: Task, device: torch.device) -> Maker:
        """Load what is needed, and refuse what cannot be made.

        Args:
            task: what is to be made.
            device: where networks run.

        Raises:
            SemddError: if it cannot be made.
        """


def require_positive(settings: object, *names: str) -> None:
    """Refuse settings below 1.

    Args:
        settings: a description of a generator.
        names: of its settings that count something; one that is none was not given.

    Raises:
        ConfigError: naming the first that is.
    """
    for name in names:
        value = getattr(settings, name)
        if value is not None and value < 1:
            msg = f"Expected {name} of at least 1, found {value}; correct it."
            raise ConfigError(msg)


def image_seed(seed: int, *parts: object) -> int:
    """The seed of an image, or of whatever else is drawn for a class.

    Args:
        seed: the pool's seed.
        parts: folder of the class, and the number of the image or what is drawn.

    >>> image_seed(0, "tench", 1) == image_seed(0, "tench", 1) != image_seed(0, "tench", 11)
    True
    """
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
