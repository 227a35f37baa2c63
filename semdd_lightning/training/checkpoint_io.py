"""How a checkpoint reaches the disk: as a whole, in its own folder, or not at all."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import Trainer

from semdd_lightning.errors import DiskError, RunError
from semdd_lightning.sealed import write_sealed


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, syncs and renames it.

    Lightning's own goes through a temporary folder: from another file system that is a copy in place, over a
    good older checkpoint.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,  # noqa: ANN401 - as Lightning has it
    ) -> None:
        """Write a checkpoint; one that is addressed by a URL goes Lightning's way.

        Raises:
            RunError: if it cannot be written; what was there before is still there.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        content = BytesIO()
        torch.save(checkpoint, content)
        write_checkpoint(Path(path), content.getbuffer())


def write_checkpoint(path: Path, content: bytes | memoryview) -> None:
    """Write the bytes of a checkpoint, all of them or none.

    Args:
        path: the file.
        content: all of it.

    Raises:
        RunError: if it cannot be written.
    """
    try:
        write_sealed(path, content)
    except DiskError as error:
        msg = (
            f"Expected to write the checkpoint {path}, found {error.__cause__}; free disk space; the same "
            "command goes on from the checkpoint before."
        )
        raise RunError(msg) from error


def write_whole_checkpoints(trainer: Trainer) -> None:
    """Let a trainer write checkpoints through `AtomicCheckpointIO`, unless its user has chosen otherwise."""
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = AtomicCheckpointIO()
