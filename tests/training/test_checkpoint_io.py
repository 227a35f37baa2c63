"""A checkpoint is whole or the one before."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO

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


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/dev/shm")  # noqa: S108 - another file system
    file, checkpoints = tmp_path / "last.ckpt", AtomicCheckpointIO()
    checkpoints.save_checkpoint({"step": torch.tensor(1)}, file)
    with disk_of(10_000), pytest.raises(RunError, match=r"write the checkpoint .*last\.ckpt, found"):
        checkpoints.save_checkpoint({"step": torch.arange(10_000)}, file)
    assert checkpoints.load_checkpoint(file)["step"] == 1
    assert list(tmp_path.iterdir()) == [file]


def test_a_trainer_writes_through_it_unless_its_user_chose(tmp_path: Path) -> None:
    plain = Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path)
    write_whole_checkpoints(plain)
    assert isinstance(plain.strategy.checkpoint_io, AtomicCheckpointIO)
    chosen = AsyncCheckpointIO(TorchCheckpointIO())
    own = Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, plugins=[chosen])
    write_whole_checkpoints(own)
    assert own.strategy.checkpoint_io is chosen
