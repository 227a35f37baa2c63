"""A checkpoint is whole or the one before."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO
from torch import Tensor

from semdd_lightning.errors import RunError
from semdd_lightning.training.checkpoint_io import AtomicCheckpointIO, write_whole_checkpoints


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Files cannot grow beyond a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def checkpoint_of(weight: Tensor) -> dict[str, Any]:
    card = {
        "network": "conv3",
        "num_classes": 2,
        "image_size": 8,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "class_names": ["cat", "dog"],
        "class_wnids": None,
    }
    return {"state_dict": {"network.weight": weight}, "semdd": card}


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/dev/shm")  # noqa: S108 - another file system
    file, checkpoints = tmp_path / "last.ckpt", AtomicCheckpointIO()
    checkpoints.save_checkpoint(checkpoint_of(torch.ones(1)), file)
    with disk_of(10_000), pytest.raises(RunError, match=r"write the checkpoint .*last\.ckpt, found"):
        checkpoints.save_checkpoint(checkpoint_of(torch.arange(10_000)), file)
    assert checkpoints.load_checkpoint(file)["state_dict"]["network.weight"] == 1
    assert list(tmp_path.iterdir()) == [file]


def test_a_trainer_writes_through_it_unless_its_user_chose(tmp_path: Path) -> None:
    plain = Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path)
    write_whole_checkpoints(plain)
    assert isinstance(plain.strategy.checkpoint_io, AtomicCheckpointIO)
    chosen = AsyncCheckpointIO(TorchCheckpointIO())
    own = Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, plugins=[chosen])
    write_whole_checkpoints(own)
    assert own.strategy.checkpoint_io is chosen
