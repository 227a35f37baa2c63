"""What a standard data set is: its classes, its images, how they are looked at, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from semdd_lightning.classes import ClassRegistry, read_class_list
from semdd_lightning.datasets.imagenet import imagenet_wnids, with_imagenet_names

Layout = Literal["cifar", "tiny_imagenet", "imagenet", "digits"]
_LISTS = Path(__file__).parent / "lists"


@dataclass(frozen=True)
class Normalization:
    """Channel statistics of images in [0, 1], red, green, blue.

    Args:
        mean: Mean of each channel.
        std: Standard deviation of each channel.
        source: Whose numbers these are.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str


@dataclass(frozen=True)
class EvaluationTransform:
    """How a test image is cut: the shorter side to `resize` pixels, then the centre `crop` x `crop` of it.

    Args:
        resize: Pixels of the shorter side, at least `crop`.
        crop: Pixels a side of what the network sees.
    """

    resize: int
    crop: int


@dataclass(frozen=True)
class Split:
    """The images that are for training, or those that are for testing.

    Args:
        folder: What the split is called in the data set's official form.
        images: How many there are; None where no source states it.
        note: Which images they are, where the name does not say it.
    """

    folder: str
    images: int | None
    note: str = ""


@dataclass(frozen=True)
class Archive:
    """A file that the data set is published as.

    Args:
        name: File name.
        url: Where it is published; empty where that needs an account.
        md5: Its MD5 (hex); empty where none is known.
    """

    name: str
    url: str = ""
    md5: str = ""


@dataclass(frozen=True)
class DatasetSpec:
    """A standard data set.

    Args:
        name: What configs call it.
        title: What papers call it.
        num_classes: Classes C.
        image_size: Side of the images that published methods train on, in pixels.
        normalization: Channel statistics.
        evaluation: How test images are cut at `image_size`.
        train: The training images.
        test: The images that accuracy is measured on.
        layout: Official form on disk.
        folder: The folder that the official archives are unpacked to.
        obtained: How to get the images, in words.
        archives: The files that it is published as.
        sources: Papers and pages that define it.
        class_list: Name of the packaged class list (default: all of ImageNet-1K).
    """

    name: str
    title: str
    num_classes: int
    image_size: int
    normalization: Normalization
    evaluation: EvaluationTransform
    train: Split
    test: Split
    layout: Layout
    folder: str
    obtained: str
    archives: tuple[Archive, ...]
    sources: tuple[str, ...]
    class_list: str | None

    @cached_property
    def registry(self) -> ClassRegistry:
        """The classes in their order, with names fit for prompts, and with wnids where they are synsets."""
        return with_imagenet_names(self._listed).without_folders()

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each class, no two alike, as CLIP's prompts use them."""
        return self.registry.names

    @property
    def wnids(self) -> tuple[str, ...] | None:
        """WordNet id of each class, if the classes are ImageNet's; found without CLIP's names."""
        return self._listed.wnids

    @cached_property
    def _listed(self) -> ClassRegistry:
        if self.class_list is None:
            wnids = imagenet_wnids()
            return ClassRegistry(names=wnids, folders=wnids, wnids=wnids)
        return read_class_list(_LISTS / f"{self.class_list}.txt")
