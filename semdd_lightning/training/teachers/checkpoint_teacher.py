"""A teacher trained with this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semdd_lightning.errors import TeacherError
from semdd_lightning.models import NetworkFactory, NormalizedNetwork
from semdd_lightning.training.checkpoint_card import class_order_difference
from semdd_lightning.training.checkpoints import checkpoint_file, network_of, read_checkpoint
from semdd_lightning.training.teachers.teacher import Teacher, TeacherContext, unknown_history

KEPT = ("network", "data", "recipe", "accuracy", "sha256", "teacher")  # of a checkpoint's card


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

    def build(self, context: TeacherContext) -> NormalizedNetwork:
        """Load the network, if it counts the same classes in the same order."""
        return network_of(self._checkpoint(context), checkpoint_file(self.path), self.network, TeacherError)

    def history(self, context: TeacherContext) -> dict[str, Any]:
        """What the checkpoint says of its training."""
        card = _load(self.path)["semdd"]
        return unknown_history(**{key: card[key] for key in KEPT if key in card})

    def image_size(self) -> int:
        """Pixels per side of the images that the teacher was trained on.

        Raises:
            TeacherError: if there is no such checkpoint.
        """
        return int(_load(self.path)["semdd"]["image_size"])

    def trained_network(self) -> str | None:
        """Name of the network that was trained, where the checkpoint says it.

        Raises:
            TeacherError: if there is no such checkpoint.
        """
        name = _load(self.path)["semdd"].get("network")
        return None if name is None else str(name)

    def _checkpoint(self, context: TeacherContext) -> dict[str, Any]:
        checkpoint = _load(self.path)
        difference = class_order_difference(checkpoint["semdd"], context.registry)
        if difference is not None:
            msg = (
                f"Expected a teacher of the pool's classes in their order in {self.path}, found that "
                f"{difference}; give pool and teacher the same class list."
            )
            raise TeacherError(msg)
        return checkpoint


def _load(path: Path) -> dict[str, Any]:
    path = checkpoint_file(Path(path))
    if not path.is_file():
        msg = f"Expected a teacher checkpoint at {path.absolute()}, found none; train one with `semdd fit`."
        raise TeacherError(msg)
    return read_checkpoint(path, TeacherError, "train one with `semdd fit`")
