"""Pretrained torchvision and timm models as teachers, cut to the classes; the teacher that a word names."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.classifier import ClassifierContext
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
from semdd_lightning.training.teachers.teacher import UNKNOWN, Teacher, unknown_history

_OF_TIMMS_CARD = ("tag", "hf_hub_id", "url", "origin_url", "paper_ids", "license", "notes")
Channels = tuple[float, float, float]


class _ImageNetTeacher(Teacher):
    """A library's model with ImageNet weights, whose head is cut to the rows of the pool's classes.

    Its history is what the library says of these weights; of a file, only its hash.
    """

    library: str
    name: str
    weights_file: Path | None

    def build(self, context: ClassifierContext) -> nn.Module:
        return self._cut(imagenet_indices(context.registry))

    def build_whole(self, context: ClassifierContext) -> nn.Module:
        rows = imagenet_indices(context.registry)
        return self._cut([*rows, *sorted(set(range(IMAGENET_CLASSES)) - set(rows))])

    def history(self, context: ClassifierContext) -> dict[str, Any]:
        file = self._file
        known = self._published() if file is None else {"file_sha256": file_digest(file)}
        return unknown_history(network=f"{self.library}/{self.name}", **known)

    @property
    def _file(self) -> Path | None:
        return None if self.weights_file is None else Path(self.weights_file).expanduser()

    def _cut(self, rows: list[int]) -> nn.Module:
        with _loading(self.name):
            network, size, mean, std = self._load()
        return NormalizedNetwork(cut_head(network, rows), size, mean, std)

    @abstractmethod
    def _load(self) -> tuple[nn.Module, int, Channels, Channels]:
        """The whole model; size, mean and deviation of its input."""

    @abstractmethod
    def _published(self) -> dict[str, Any]:
        """What the library says of its weights."""


@dataclass(frozen=True)
class TorchvisionTeacher(_ImageNetTeacher):
    """A torchvision model with ImageNet weights, cut to the pool's classes.

    Args:
        name: torchvision's name, as resnet18.
        weights: torchvision's name of pretrained weights, as IMAGENET1K_V1; without network they must lie in
            torch's cache.
        weights_file: a state dict on disk, in place of ``weights``.
        input_size: pixels per side that the teacher sees.
    """

    library = "torchvision"
    name: str = "resnet18"
    weights: str = "IMAGENET1K_V1"
    weights_file: Path | None = None
    input_size: int = 224

    def _load(self) -> tuple[nn.Module, int, Channels, Channels]:
        file = self._file
        published = self.weights if file is None else None
        network = torchvision_network(IMAGENET_CLASSES, self.input_size, self.name, published)
        if file is not None:
            network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        return network, self.input_size, IMAGENET_MEAN, IMAGENET_STD

    def _published(self) -> dict[str, Any]:
        published = published_weights(self.name, self.weights)
        meta = published.meta
        return {
            "data": "ImageNet-1K" if published.name.startswith("IMAGENET1K_V") else UNKNOWN,
            "recipe": meta.get("recipe", UNKNOWN),
            "accuracy": _as_fractions(meta.get("_metrics", {})) or UNKNOWN,
            "weights": str(published),
            "url": published.url,
            "num_params": meta.get("num_params", UNKNOWN),
        }


@dataclass(frozen=True)
class TimmTeacher(_ImageNetTeacher):
    """A timm model with ImageNet weights, cut to the pool's classes.

    Args:
        name: timm's name with the tag of its weights, as resnet18.a1_in1k; timm keeps a card of each.
        input_size: pixels per side that the teacher sees (default: that of the card).
        mean: mean of its input normalisation (default: that of the card).
        std: standard deviation of its input normalisation (default: that of the card).
        weights_file: weights on disk, as timm saves them, in place of those that timm publishes.
    """

    library = "timm"
    name: str = "resnet18.a1_in1k"
    input_size: int | None = None
    mean: Channels | None = None
    std: Channels | None = None
    weights_file: Path | None = None

    def _load(self) -> tuple[nn.Module, int, Channels, Channels]:
        size, mean, std = self.input_size, self.mean, self.std
        if size is None or mean is None or std is None:
            card = self._card()
            if card is None:
                msg = (
                    f"Expected a model of timm with published weights, found {self.name!r}; correct the "
                    "name, or give input_size, mean and std."
                )
                raise TeacherError(msg)
            size, mean, std = size or card.input_size[-1], mean or card.mean, std or card.std
        file = self.weights_file
        return timm_network(IMAGENET_CLASSES, size, self.name, file is None, file), size, mean, std

    def _published(self) -> dict[str, Any]:
        card = self._card()
        said = {} if card is None else {name: getattr(card, name) for name in _OF_TIMMS_CARD}
        known = {name: value for name, value in said.items() if value is not None}
        return {"recipe": known.pop("paper_ids", UNKNOWN), **known}

    def _card(self) -> Any:  # noqa: ANN401 - timm has no types
        import timm  # takes seconds, and most teachers are not of timm

        return timm.get_pretrained_cfg(self.name)


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


def parse_teacher(text: str) -> Teacher:
    """The teacher that a word of a command line names.

    Args:
        text: ``torchvision/NAME``, also with ``:WEIGHTS`` (torchvision's name of them) or ``:FILE`` behind
            it; ``timm/NAME``, also with ``:FILE``; or a checkpoint or run directory of ``semdd fit``.

    Raises:
        TeacherError: if it is none of these.
    """
    path = Path(text).expanduser()
    if path.exists():
        return CheckpointTeacher(path)
    library, _, rest = text.partition("/")
    name, _, weights = rest.partition(":")
    file = Path(weights).expanduser() if weights else None
    if name and library == "timm":
        return TimmTeacher(name, weights_file=file)
    if name and library == "torchvision":
        if file is None or file.exists():
            return TorchvisionTeacher(name, weights_file=file)
        return TorchvisionTeacher(name, weights)
    msg = (
        "Expected a classifier as torchvision/NAME, timm/NAME or a checkpoint of `semdd fit`, found "
        f"{text!r}; correct the name or the path."
    )
    raise TeacherError(msg)


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


@contextmanager
def _loading(name: str) -> Iterator[None]:
    try:
        yield
    except SemddError:
        raise
    except (OSError, RuntimeError, TypeError, EOFError, UnpicklingError) as error:
        msg = (
            f"Expected pretrained weights of {name}, found none that load ({error}); without network, place "
            "them in the library's cache or, for torchvision, give weights_file."
        )
        raise TeacherError(msg) from error
