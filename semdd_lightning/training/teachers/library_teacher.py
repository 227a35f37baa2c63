"""Pretrained torchvision and timm models as teachers, their heads cut to the classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import SemddError, TeacherError
from semdd_lightning.models import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NormalizedNetwork,
    cut_head,
    timm_network,
    torchvision_network,
)
from semdd_lightning.training.teachers.teacher import Teacher, TeacherContext

IMAGENET_CLASSES = 1000


class ImagenetTeacher(Teacher):
    """A 1000-way ImageNet classifier whose head is cut to the pool's classes."""

    def check(self, context: TeacherContext) -> None:
        """See that the head can be cut to the classes."""
        imagenet_indices(context.registry)


@dataclass(frozen=True)
class TorchvisionTeacher(ImagenetTeacher):
    """A torchvision model with ImageNet weights, cut to the pool's classes.

    Args:
        name: torchvision's name, as resnet18.
        weights: torchvision's name of pretrained weights, as IMAGENET1K_V1; without network they must lie in
            torch's cache.
        weights_file: a state dict on disk, in place of ``weights``.
        input_size: pixels a side that the teacher sees.
    """

    name: str = "resnet18"
    weights: str | None = "IMAGENET1K_V1"
    weights_file: Path | None = None
    input_size: int = 224

    def build(self, context: TeacherContext) -> nn.Module:
        """Load the model and keep the rows of its head that are the pool's classes."""
        published = self.weights if self.weights_file is None else None
        with _loading(self.name):
            network = torchvision_network(IMAGENET_CLASSES, self.input_size, self.name, published)
            if self.weights_file is not None:
                file = Path(self.weights_file).expanduser()
                network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        return _cut(network, context.registry, self.input_size, IMAGENET_MEAN, IMAGENET_STD)


@dataclass(frozen=True)
class TimmTeacher(ImagenetTeacher):
    """A timm model with ImageNet weights, cut to the pool's classes.

    Args:
        name: timm's name with the tag of its weights, as resnet18.a1_in1k; timm keeps a card of each.
        input_size: pixels a side that the teacher sees; none takes that of the card.
        mean: mean of its input normalisation; none takes that of the card.
        std: standard deviation of its input normalisation; none takes that of the card.
    """

    name: str = "resnet18.a1_in1k"
    input_size: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def build(self, context: TeacherContext) -> nn.Module:
        """Load the model and keep the rows of its head that are the pool's classes."""
        with _loading(self.name):
            size, mean, std = self._input()
            network = timm_network(IMAGENET_CLASSES, size, self.name, pretrained=True)
        return _cut(network, context.registry, size, mean, std)

    def _input(self) -> tuple[int, tuple[float, float, float], tuple[float, float, float]]:
        """Size, mean and deviation of the input: what is given, the rest as the weights were trained."""
        if self.input_size is not None and self.mean is not None and self.std is not None:
            return self.input_size, self.mean, self.std
        import timm  # takes seconds, and most teachers are not of timm

        card = timm.get_pretrained_cfg(self.name)
        if card is None:
            msg = (
                f"Expected a model of timm with published weights, found {self.name!r}; correct the name, or "
                "give input_size, mean and std."
            )
            raise TeacherError(msg)
        size = card.input_size[-1] if self.input_size is None else self.input_size
        return size, self.mean or _channels(card.mean), self.std or _channels(card.std)


def imagenet_indices(registry: ClassRegistry) -> list[int]:
    """Row of each class in a 1000-way ImageNet head: the class list's, else the wnid's place among all.

    Raises:
        TeacherError: if the classes have neither.
    """
    if registry.teacher_indices is not None:
        return list(registry.teacher_indices)
    if registry.wnids is not None:
        from timm.data.imagenet_info import ImageNetInfo

        wnids = ImageNetInfo().label_names()  # type: ignore[no-untyped-call]
        order = {wnid: index for index, wnid in enumerate(wnids)}
        unknown = [wnid for wnid in registry.wnids if wnid not in order]
        if not unknown:
            return [order[wnid] for wnid in registry.wnids]
        msg = f"Expected wnids of ImageNet-1K, found {unknown[:3]}; give teacher_index in a .csv class list."
        raise TeacherError(msg)
    msg = (
        "Expected wnids or a teacher_index for each class, found neither; an ImageNet teacher's head can be "
        "cut to the classes only if the class list (.csv: name,wnid or name,teacher_index) says which rows."
    )
    raise TeacherError(msg)


def _channels(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def _cut(
    network: nn.Module,
    registry: ClassRegistry,
    input_size: int,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> nn.Module:
    return NormalizedNetwork(cut_head(network, imagenet_indices(registry)), input_size, mean, std)


@contextmanager
def _loading(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, TypeError, EOFError, UnpicklingError) as error:
        if isinstance(error, SemddError):
            raise
        msg = (
            f"Expected pretrained weights of {name}, found none that load ({error}); without network, place "
            "them in the library's cache or, for torchvision, give weights_file."
        )
        raise TeacherError(msg) from error
