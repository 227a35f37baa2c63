"""Pretrained torchvision and timm models as teachers, their heads cut to the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import SemddError, TeacherError
from semdd_lightning.models import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NormalizedNetwork,
    cut_head,
    published_weights,
    timm_network,
    torchvision_network,
)
from semdd_lightning.prior.timm_prior import IMAGENET_CLASSES, head_rows, imagenet_rows
from semdd_lightning.training.checkpoint_card import file_digest
from semdd_lightning.training.teachers.checkpoint_teacher import CheckpointTeacher
from semdd_lightning.training.teachers.teacher import UNKNOWN, Teacher, TeacherContext, unknown_history

_OF_TIMMS_CARD = ("tag", "hf_hub_id", "url", "origin_url", "paper_ids", "license", "notes")


@dataclass(frozen=True)
class TorchvisionTeacher(Teacher):
    """A torchvision model with ImageNet weights, cut to the pool's classes.

    Args:
        name: torchvision's name, as resnet18.
        weights: torchvision's name of pretrained weights, as IMAGENET1K_V1; without network they must lie in
            torch's cache.
        weights_file: a state dict on disk, in place of ``weights``.
        input_size: pixels per side that the teacher sees.
    """

    name: str = "resnet18"
    weights: str = "IMAGENET1K_V1"
    weights_file: Path | None = None
    input_size: int = 224

    def build(self, context: TeacherContext) -> nn.Module:
        """Load the model and keep the rows of its head that are the pool's classes."""
        return self._cut(imagenet_indices(context.registry))

    def build_whole(self, context: TeacherContext) -> nn.Module:
        """The same with all rows of the head, those of the pool's classes first."""
        return self._cut(_first(imagenet_indices(context.registry)))

    def _cut(self, rows: list[int]) -> nn.Module:
        published = self.weights if self.weights_file is None else None
        with _loading(self.name):
            network = torchvision_network(IMAGENET_CLASSES, self.input_size, self.name, published)
            if self.weights_file is not None:
                file = Path(self.weights_file).expanduser()
                network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        return NormalizedNetwork(cut_head(network, rows), self.input_size, IMAGENET_MEAN, IMAGENET_STD)

    def history(self, context: TeacherContext) -> dict[str, Any]:
        """What torchvision says of its weights; of a file, nothing but its hash."""
        network = f"torchvision/{self.name}"
        if self.weights_file is not None:
            return unknown_history(
                network=network, file_sha256=file_digest(Path(self.weights_file).expanduser())
            )
        published = published_weights(self.name, self.weights)
        meta = published.meta
        return unknown_history(
            network=network,
            data="ImageNet-1K" if published.name.startswith("IMAGENET1K_V") else UNKNOWN,
            recipe=meta.get("recipe", UNKNOWN),
            accuracy=_as_fractions(meta.get("_metrics", {})) or UNKNOWN,
            weights=str(published),
            url=published.url,
            num_params=meta.get("num_params", UNKNOWN),
        )


@dataclass(frozen=True)
class TimmTeacher(Teacher):
    """A timm model with ImageNet weights, cut to the pool's classes.

    Args:
        name: timm's name with the tag of its weights, as resnet18.a1_in1k; timm keeps a card of each.
        input_size: pixels per side that the teacher sees (default: that of the card).
        mean: mean of its input normalisation (default: that of the card).
        std: standard deviation of its input normalisation (default: that of the card).
        weights_file: weights on disk, as timm saves them, in place of those that timm publishes.
    """

    name: str = "resnet18.a1_in1k"
    input_size: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    weights_file: Path | None = None

    def build(self, context: TeacherContext) -> nn.Module:
        """Load the model and keep the rows of its head that are the pool's classes."""
        return self._cut(imagenet_indices(context.registry))

    def build_whole(self, context: TeacherContext) -> nn.Module:
        """The same with all rows of the head, those of the pool's classes first."""
        return self._cut(_first(imagenet_indices(context.registry)))

    def _cut(self, rows: list[int]) -> nn.Module:
        with _loading(self.name):
            size, mean, std = self._input()
            network = timm_network(
                IMAGENET_CLASSES, size, self.name, self.weights_file is None, self.weights_file
            )
        return NormalizedNetwork(cut_head(network, rows), size, mean, std)

    def history(self, context: TeacherContext) -> dict[str, Any]:
        """What timm's card says of the weights, as the paper of their recipe; of a file, its hash."""
        if self.weights_file is not None:
            file = Path(self.weights_file).expanduser()
            return unknown_history(network=f"timm/{self.name}", file_sha256=file_digest(file))
        import timm

        card = timm.get_pretrained_cfg(self.name)
        said = {} if card is None else {name: getattr(card, name) for name in _OF_TIMMS_CARD}
        known = {name: value for name, value in said.items() if value is not None}
        return unknown_history(network=f"timm/{self.name}", recipe=known.pop("paper_ids", UNKNOWN), **known)

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
    rows = head_rows(registry)
    if rows is not None:
        return rows
    if registry.wnids is not None:
        unknown = [wnid for wnid in registry.wnids if wnid not in imagenet_rows()]
        msg = f"Expected wnids of ImageNet-1K, found {unknown[:3]}; give teacher_index in a .csv class list."
        raise TeacherError(msg)
    msg = (
        "Expected wnids or a teacher_index for each class, found neither; an ImageNet teacher's head can be "
        "cut to the classes only if the class list (.csv: name,wnid or name,teacher_index) says which rows."
    )
    raise TeacherError(msg)


def _first(rows: list[int]) -> list[int]:
    """All rows of an ImageNet head, these first."""
    chosen = set(rows)
    return [*rows, *(row for row in range(IMAGENET_CLASSES) if row not in chosen)]


def _as_fractions(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Accuracies of torchvision, which are percentages, as fractions by data set and measure.

    Examples:
        >>> _as_fractions({"ImageNet-1K": {"acc@1": 75.0}})
        {'ImageNet-1K top1': 0.75}
    """
    return {
        f"{data} {name.replace('acc@', 'top')}": round(value / 100, 6)
        for data, values in metrics.items()
        for name, value in values.items()
    }


def _channels(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


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


def parse_teacher(text: str) -> Teacher:
    """The teacher that a word names.

    Args:
        text: ``torchvision/NAME``, also with ``:WEIGHTS`` (torchvision's name of them) or ``:FILE`` behind
            it; ``timm/NAME``, also with ``:FILE``; or a checkpoint or run directory of ``semdd fit``.

    Raises:
        TeacherError: if it is none of these.

    Examples:
        >>> parse_teacher("torchvision/resnet50:IMAGENET1K_V2").weights
        'IMAGENET1K_V2'
    """
    path = Path(text).expanduser()
    if path.exists():
        return CheckpointTeacher(path)
    library, slash, rest = text.partition("/")
    name, _, weights = rest.partition(":")
    file = Path(weights).expanduser()
    if slash and name and library == "torchvision":
        if not weights:
            return TorchvisionTeacher(name)
        return (
            TorchvisionTeacher(name, weights_file=file)
            if file.exists()
            else TorchvisionTeacher(name, weights)
        )
    if slash and name and library == "timm":
        return TimmTeacher(name, weights_file=file if weights else None)
    msg = (
        "Expected a classifier as torchvision/NAME, timm/NAME or a checkpoint of `semdd fit`, found "
        f"{text!r}; correct the name or the path."
    )
    raise TeacherError(msg)
