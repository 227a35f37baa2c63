"""A checkpoint is whole or the one before, and opens as what was evaluated, or is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO
from torch import Tensor

from semdd_lightning import load_network
from semdd_lightning.data import FolderImages, ImageDataModule
from semdd_lightning.errors import ConfigError, NetworkError, RunError
from semdd_lightning.models import CIFAR_MEAN, CIFAR_STD, ConvNet, NetworkFactory
from semdd_lightning.training import ClassifierModule
from semdd_lightning.training.checkpoints import AtomicCheckpointIO, write_whole_checkpoints
from tests.full_disk import disk_of

TINY: NetworkFactory = partial(ConvNet, depth=2, width=4)
Trained = Callable[..., ClassifierModule]


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


@pytest.fixture
def train(coloured_pool: Path, make_trainer: Callable[..., Trainer], tmp_path: Path) -> Trained:
    """Train a network for two passes; its checkpoint is ``tmp_path / "last.ckpt"``."""

    def fit(network: str | NetworkFactory, **options: float) -> ClassifierModule:
        module = ClassifierModule(network, 3, 16, mean=CIFAR_MEAN, std=CIFAR_STD, **options)  # type: ignore[arg-type]
        data = ImageDataModule(FolderImages(coloured_pool), 3, 16, passes=2, batch_size=6)
        saving = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)
        make_trainer(2, callbacks=[saving], enable_checkpointing=True).fit(module, datamodule=data)
        return module.eval()

    return fit


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.5}], ids=["last", "averaged"])
def test_it_is_what_was_evaluated(train: Trained, tmp_path: Path, options: dict[str, float]) -> None:
    module = train("conv3", **options)
    images = torch.rand(6, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    for path in (tmp_path, str(tmp_path / "last.ckpt")):
        network = load_network(path)
        assert not network.training
        assert network.class_names == ("blue", "green", "red")
        assert torch.equal(network.mean.flatten(), torch.tensor(CIFAR_MEAN))
        with torch.no_grad():
            torch.testing.assert_close(network(images), module(images), atol=1e-5, rtol=1e-5)


def test_an_architecture_that_is_a_class(train: Trained, tmp_path: Path) -> None:
    module = train(TINY)
    with pytest.raises(NetworkError, match=r"Expected the architecture of .*last\.ckpt, found none in it"):
        load_network(tmp_path)
    with pytest.raises(NetworkError, match=r"Expected weights of conv4 in .*, found others"):
        load_network(tmp_path, "conv4")
    weights = load_network(tmp_path, TINY).state_dict()
    assert all(torch.equal(value, module.state_dict()[f"network.{name}"]) for name, value in weights.items())
    described = "class_path: semdd_lightning.models.ConvNet\n      init_args: {depth: 2, width: 4}"
    for given in ("network", "student"):
        config = f"model:\n  init_args:\n    {given}:\n      {described}\n"
        (tmp_path / "config.yaml").write_text(config)
        assert load_network(tmp_path).state_dict().keys() == weights.keys()
    (tmp_path / "config.yaml").write_text("model: [")
    with pytest.raises(NetworkError, match="found none in it"):
        load_network(tmp_path)


class _Harmful:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("harm"),)  # type: ignore[return-value]


def test_bad_files_are_refused(train: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NetworkError, match=r"Expected a checkpoint at .*nowhere, found none"):
        load_network("nowhere")
    with pytest.raises(NetworkError, match=r"Expected a checkpoint at .*last\.ckpt, found none"):
        load_network(tmp_path)
    with pytest.raises(ConfigError, match="Expected a checkpoint to be a path, found None"):
        load_network(None)
    train("conv3")
    whole = Path("last.ckpt").read_bytes()
    torch.save({"state_dict": {}}, "other.ckpt")
    torch.save({"semdd": _Harmful(), "state_dict": {}}, "harmful.ckpt")
    Path("pickle.ckpt").write_bytes(pickle.dumps(_Harmful()))
    Path("cut.ckpt").write_bytes(whole[: len(whole) // 2])
    Path("changed.ckpt").write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    Path("text.ckpt").write_text("no checkpoint")
    Path("empty.ckpt").write_bytes(b"")
    for name in ("other", "harmful", "pickle", "cut", "changed", "text", "empty"):
        with pytest.raises(NetworkError, match=rf"Expected a checkpoint of this package in {name}\.ckpt"):
            load_network(f"{name}.ckpt")
    assert not Path("harm").exists()
