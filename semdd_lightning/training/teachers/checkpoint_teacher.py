"""Teachers that lie in a file: a checkpoint of this package, or a bare state dict that others published."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semdd_lightning.data.classifier import ClassifierContext
from semdd_lightning.errors import TeacherError
from semdd_lightning.models import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NetworkFactory,
    NormalizedNetwork,
    build_network,
)
from semdd_lightning.training.checkpoint_card import class_order_difference, file_digest, plain
from semdd_lightning.training.checkpoints import checkpoint_file, network_of, read_checkpoint
from semdd_lightning.training.teachers.teacher import Teacher, unknown_history

KEPT = ("network", "data", "recipe", "accuracy", "sha256", "teacher")  # of a checkpoint's card
HOLDERS = ("model", "state_dict")  # RDED and torchvision's reference code; SRe2L's CIFAR code


@dataclass(frozen=True)
class CheckpointTeacher(Teacher):
    """The network of a checkpoint that ``semdd fit`` wrote.

    Args:
        path: the checkpoint, or the run directory that holds ``last.ckpt``.
        network: the architecture (default: the short name that the checkpoint remembers, else what
            ``config.yaml`` beside it says).
    """

    path: Path
    network: str | NetworkFactory | None = None

    def build(self, context: ClassifierContext) -> NormalizedNetwork:
        """Load the network, if it counts the same classes in the same order."""
        checkpoint = _load(self.path)
        difference = class_order_difference(checkpoint["semdd"], context.registry)
        if difference is not None:
            msg = (
                f"Expected a teacher of the pool's classes in their order in {self.path}, found that "
                f"{difference}; give pool and teacher the same class list."
            )
            raise TeacherError(msg)
        return network_of(checkpoint, checkpoint_file(self.path), self.network, TeacherError)

    def history(self, context: ClassifierContext) -> dict[str, Any]:
        """What the checkpoint says of its training."""
        card = self.card()
        return unknown_history(**{key: card[key] for key in KEPT if key in card})

    def card(self) -> dict[str, Any]:
        """What the checkpoint says of itself, as `CheckpointCard` has it.

        Raises:
            TeacherError: if there is no such checkpoint.
        """
        card: dict[str, Any] = _load(self.path)["semdd"]
        return card


@dataclass(frozen=True)
class StateDictTeacher(Teacher):
    """The network of a published checkpoint: ``{"model": state_dict}`` of RDED, or a state dict as it is.

    Such a file does not say which classes its logits are: only the check of the teacher's accuracy can tell
    that it counts them in the pool's order. Nor does it say how it was trained.

    Args:
        path: the file.
        network: short name of the architecture, or a class with arguments.
        input_size: pixels per side that the teacher sees (default: those of the training images).
        mean: mean of its input normalisation; ImageNet's by default, which RDED takes on CIFAR too.
        std: standard deviation of its input normalisation.
        trained: what you know of its training, for its card: data, recipe, accuracy.
    """

    path: Path
    network: str | NetworkFactory
    input_size: int | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    trained: dict[str, str] | None = None

    def build(self, context: ClassifierContext) -> nn.Module:
        """Load the network with as many logits as there are classes."""
        if not self._file.is_file():
            msg = f"Expected a teacher's weights at {self._file.absolute()}, found none; correct the path."
            raise TeacherError(msg)
        size = context.image_size if self.input_size is None else self.input_size
        network = build_network(self.network, len(context.registry), size)
        try:
            network.load_state_dict(read_state_dict(self._file))
        except RuntimeError as error:
            msg = (
                f"Expected weights of {self.network} for {len(context.registry)} classes in {self._file}, "
                f"found others ({error}); give the architecture and the classes that they were trained with."
            )
            raise TeacherError(msg) from error
        return NormalizedNetwork(network, size, self.mean, self.std)

    def history(self, context: ClassifierContext) -> dict[str, Any]:
        """The hash of the file, and what the user knows of it."""
        known = {"network": plain(self.network), "file_sha256": file_digest(self._file)}
        return unknown_history(**{**known, **(self.trained or {})})

    @property
    def _file(self) -> Path:
        return Path(self.path).expanduser()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The weights in a published file, without what DataParallel puts before their names.

    Raises:
        TeacherError: if there are none.
    """
    try:
        with torch.serialization.safe_globals([Namespace]):  # training scripts save their options along
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        msg = f"Expected weights in {path}, found a file that torch cannot load ({error}); fetch it again."
        raise TeacherError(msg) from error
    for holder in HOLDERS:
        if isinstance(content, Mapping) and isinstance(content.get(holder), Mapping):
            content = content[holder]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        msg = f"Expected a state dict in {path}, alone or as {' or '.join(HOLDERS)}, found none; correct it."
        raise TeacherError(msg)
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def _load(path: Path) -> dict[str, Any]:
    path = checkpoint_file(Path(path))
    if not path.is_file():
        msg = f"Expected a teacher checkpoint at {path.absolute()}, found none; train one with `semdd fit`."
        raise TeacherError(msg)
    return read_checkpoint(path, TeacherError, "train one with `semdd fit`")
