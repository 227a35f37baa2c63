"""When the checkpoint of a run is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from semdd_lightning.data import FolderImages, ImageDataModule
from semdd_lightning.experiment.run.last_checkpoint import LastCheckpoint
from semdd_lightning.models import ConvNet
from semdd_lightning.training import ClassifierModule

MakeTrainer = Callable[..., Trainer]


class Written(Callback):
    """The step that the checkpoint is of, as each epoch begins."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.steps: list[int | None] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.steps.append(step_of(self.file) if self.file.exists() else None)


def step_of(file: Path) -> int:
    return int(torch.load(file, weights_only=True)["global_step"])


@pytest.mark.parametrize(("seconds", "written"), [(0.0, [None, 3, 6, 9]), (1000.0, [None] * 4)])
def test_it_is_written_when_it_is_time_and_at_the_end(
    seconds: float,
    written: list[int | None],
    coloured_pool: Path,
    make_trainer: MakeTrainer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("semdd_lightning.experiment.run.last_checkpoint.SHARE", 1e9)  # whatever one costs
    seen = Written(tmp_path / "last.ckpt")
    callbacks = [seen, LastCheckpoint(tmp_path, seconds)]
    trainer = make_trainer(4, callbacks=callbacks, enable_checkpointing=True)
    trainer.fit(_module(), datamodule=_data(coloured_pool))
    assert seen.steps == written
    assert step_of(seen.file) == 12
    assert [path.name for path in tmp_path.glob("*.ckpt")] == ["last.ckpt"]


def test_time_counts_from_the_checkpoint_before(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Written(tmp_path / "last.ckpt")
    callbacks = [seen, LastCheckpoint(tmp_path, 30.0)]
    trainer = make_trainer(6, callbacks=callbacks, enable_checkpointing=True)
    clock = SimpleNamespace(monotonic=lambda: 20.0 * trainer.current_epoch)
    monkeypatch.setattr("semdd_lightning.experiment.run.last_checkpoint.time", clock)
    trainer.fit(_module(), datamodule=_data(coloured_pool, passes=6))
    assert seen.steps == [None, None, 4, 4, 10, 10], "at the first step after it is time"


def test_a_training_that_stops_early_is_kept_and_goes_on(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    def fitted(folder: str, resume: Path | None = None, max_steps: int = -1) -> ClassifierModule:
        module = _module()
        callbacks = [LastCheckpoint(tmp_path / folder)]
        trainer = make_trainer(4, callbacks=callbacks, enable_checkpointing=True, max_steps=max_steps)
        trainer.fit(module, datamodule=_data(coloured_pool), ckpt_path=resume)
        return module

    whole = fitted("whole").state_dict()
    fitted("stopped", max_steps=6)
    file = tmp_path / "stopped" / "last.ckpt"
    assert step_of(file) == 6
    resumed = fitted("resumed", file).state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in resumed.items())
    assert step_of(tmp_path / "resumed" / "last.ckpt") == 12


def _module() -> ClassifierModule:
    torch.manual_seed(0)
    return ClassifierModule(partial(ConvNet, depth=1, width=4), 3, 16)


def _data(pool: Path, passes: int = 4) -> ImageDataModule:
    return ImageDataModule(FolderImages(pool), 3, 16, batch_size=7, passes=passes)
