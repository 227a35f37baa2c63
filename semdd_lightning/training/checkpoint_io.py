"""How a checkpoint reaches the disk: as a whole, in its own folder, or not at all."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import Trainer

from semdd_lightning.errors import ConfigError, DiskError, RunError, SemddError
from semdd_lightning.names import get_logger
from semdd_lightning.records import in_words
from semdd_lightning.sealed import check_seal, write_sealed
from semdd_lightning.training.checkpoint_card import require_card

logger = get_logger(__name__)


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

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = lambda storage, _: storage,  # noqa: ANN401 - as Lightning has it
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint that is what was written; one that is addressed by a URL goes Lightning's way.

        Raises:
            ConfigError: if it is none of this package, or was changed since.
        """
        if "://" in str(path):
            return dict(super().load_checkpoint(path, map_location, weights_only))
        advice = "give the last.ckpt of a run"
        return read_checkpoint(Path(path), ConfigError, advice, map_location, weights_only is not False)


def read_checkpoint(
    path: Path,
    error: type[SemddError],
    advice: str,
    map_location: Any = "cpu",  # noqa: ANN401 - as torch has it
    weights_only: bool = True,
) -> dict[str, Any]:
    """Read a checkpoint of this package, whole and unchanged, with the card that it must have.

    Args:
        path: the file.
        error: raised where it is another.
        advice: what to do then.
        map_location: where its tensors go, as `torch.load` has it.
        weights_only: whether it may hold nothing that runs code.
    """
    try:
        if not check_seal(path):
            logger.info("%s has no digest, as checkpoints of version 0.1: damage to it cannot be seen", path)
        found = _load(path, map_location, weights_only)
        weights = found.get("state_dict") if isinstance(found, dict) else None
        if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
            msg = "another: it holds no state_dict"
            raise ValueError(msg)
        require_card(found.get("semdd"))
    except (OSError, ValueError, SemddError) as problem:
        msg = f"Expected a checkpoint of this package in {path}, found {in_words(problem)}; {advice}."
        raise error(msg) from problem
    return dict(found)


def _load(path: Path, map_location: Any, weights_only: bool) -> Any:  # noqa: ANN401 - as torch has it
    try:
        return torch.load(path, map_location=map_location, weights_only=weights_only)
    except OSError:
        raise
    except pickle.UnpicklingError as problem:  # whose own words advise to let the file run code
        msg = "no pickle of weights, or one that would run code"
        raise ValueError(msg) from problem
    except Exception as problem:  # a broken file fails in as many ways as there are bytes
        msg = f"a file that torch cannot load ({str(problem).partition('. ')[0]})"
        raise ValueError(msg) from problem


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
