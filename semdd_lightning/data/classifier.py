"""A classifier that looks at a pool beside CLIP: its description, from which a network is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.prior import OpenClipPrior


@dataclass(frozen=True)
class ClassifierContext:
    """What a classifier may need to know of the data.

    Attributes:
        registry: the classes in the order its logits must have.
        image_size: pixels per side of the images that it will see.
        prior: the first CLIP model that scored the pool, if there was one.
    """

    registry: ClassRegistry
    image_size: int
    prior: OpenClipPrior | None


class Classifier(ABC):
    """Describes a network that tells the classes apart; cheap until it is built.

    Where a manifest shall describe it, it is a frozen dataclass. Every teacher is one.
    """

    @abstractmethod
    def build(self, context: ClassifierContext) -> nn.Module:
        """A network from images in [0, 1] (B, 3, H, W) to logits (B, C) in the registry's order.

        Raises:
            TeacherError: if there is no such network or it does not fit the classes.
        """

    def build_whole(self, context: ClassifierContext) -> nn.Module:
        """The same, with a logit for every further class that it knows, behind those of the registry.

        A selection asks for these: an image that looks like a class beyond the pool's does not show its own,
        and of few classes alone most images have a probability of 1.
        """
        return self.build(context)
