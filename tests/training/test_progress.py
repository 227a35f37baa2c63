from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from semdd_lightning.data import FolderImages, ImageDataModule
from semdd_lightning.errors import ConfigError
from semdd_lightning.models import ConvNet
from semdd_lightning.training import BestOfEvaluations, ClassifierModule
from semdd_lightning.training.progress import accuracy_on_test, evaluated_after

MakeTrainer = Callable[..., Trainer]


def _module() -> ClassifierModule:
    torch.manual_seed(0)
    return ClassifierModule(partial(ConvNet, depth=1, width=4), 3, 16, ema_decay=0.5)


def _data(pool: Path, **options: Any) -> ImageDataModule:  # noqa: ANN401
    given = {"batch_size": 7, "passes": 6, "test": FolderImages(pool), **options}
    return ImageDataModule(FolderImages(pool), 3, 16, **given)


class Watched(BestOfEvaluations):
    """Also measures by hand, and notes the mode that training goes on in."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.by_hand: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:  # noqa: ANN401
        before = len(self.top1)
        super().on_train_batch_end(trainer, pl_module, *rest)
        assert pl_module.training
        if len(self.top1) > before:
            data = trainer.datamodule  # type: ignore[attr-defined]
            store = data._stores["test"]
            with torch.no_grad():
                right = pl_module.eval()(store.pixels.float() / 255).argmax(dim=1) == store.labels
            pl_module.train()
            self.by_hand.append(right.float().mean().item())


@pytest.mark.parametrize("passes_per_epoch", [1, 3, 6])
def test_every_evaluation_is_of_the_student_after_that_pass(
    coloured_pool: Path, make_trainer: MakeTrainer, passes_per_epoch: int
) -> None:
    callback = Watched(every=2)
    trainer = make_trainer(6 // passes_per_epoch, callbacks=[callback])
    module, data = _module(), _data(coloured_pool, passes_per_epoch=passes_per_epoch)
    trainer.fit(module, datamodule=data)
    assert list(callback.top1) == [2, 4], "the last one is left to the run's own test"
    assert list(callback.top1.values()) == pytest.approx(callback.by_hand)
    (tested,) = trainer.test(module, datamodule=data, verbose=False)
    assert callback.top1[6] == pytest.approx(tested["test_top1"]), "the last one is the headline"
    best = callback.best
    assert best is not None
    assert best["tests"] == {str(passed): top1 for passed, top1 in callback.top1.items()}
    assert best["top1"] == max(best["tests"].values())
    assert (best["evaluations"], callback.top1[int(best["after_pass"])]) == (3, best["top1"])
    assert callback.quirk == "best_of_3"


def test_evaluating_changes_no_number(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    with_it, without = _module(), _module()
    make_trainer(6, callbacks=[BestOfEvaluations(every=1)]).fit(with_it, datamodule=_data(coloured_pool))
    make_trainer(6).fit(without, datamodule=_data(coloured_pool))
    other = without.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in with_it.state_dict().items())


def test_a_resumed_run_remembers(coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path) -> None:
    saving = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)
    first = BestOfEvaluations(every=2)
    make_trainer(4, callbacks=[first, saving], enable_checkpointing=True).fit(
        _module(), datamodule=_data(coloured_pool)
    )
    second = BestOfEvaluations(every=2)
    make_trainer(6, callbacks=[second]).fit(
        _module(), datamodule=_data(coloured_pool), ckpt_path=str(tmp_path / "last.ckpt")
    )
    assert second.top1 == first.top1
    assert list(second.top1) == [2, 4]


@pytest.mark.parametrize("limit", [1, 0.5])
def test_a_limit_holds_for_every_test(coloured_pool: Path, make_trainer: MakeTrainer, limit: float) -> None:
    callback = BestOfEvaluations(every=1)
    trainer = make_trainer(1, callbacks=[callback], limit_test_batches=limit)
    module, data = _module(), _data(coloured_pool, passes=1, evaluation_batch_size=8)
    seen: list[int] = []
    module.register_forward_hook(lambda *given: seen.append(len(given[1][0])))
    trainer.test(module, datamodule=data, verbose=False)
    by_lightning = list(seen)
    seen.clear()
    accuracy_on_test(trainer, module, data)
    assert seen == by_lightning
    assert callback.best is None, "a test without a training is none of them"


def test_without_a_test_split_there_is_no_best(
    coloured_pool: Path, make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    callback = BestOfEvaluations()
    make_trainer(1, callbacks=[callback]).fit(_module(), datamodule=_data(coloured_pool, test=None, passes=1))
    assert callback.best is None
    assert "no best of several tests is reported" in caplog.text


def test_the_share_is_of_the_passes_and_the_last_one_counts() -> None:
    assert [p for p in range(1, 8) if evaluated_after(p, 7, 3, 0.0)] == [3, 6, 7]
    assert [p for p in range(1, 11) if evaluated_after(p, 10, None, 0.0)] == list(range(1, 11))
    assert [p for p in range(1, 11) if evaluated_after(p, 10, 1, 0.8)] == [10]
    for options in ({"every": 0}, {"after": 1.0}, {"after": -0.1}):
        with pytest.raises(ConfigError, match=r"every >= 1 and after in \[0, 1\), found"):
            BestOfEvaluations(**options)


def test_the_mode_is_given_back(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    module, data = _module().eval(), _data(coloured_pool)
    trainer = make_trainer(1)
    trainer.test(module, datamodule=data, verbose=False)
    for training in (True, False):
        module.train(training)
        assert 0 <= accuracy_on_test(trainer, module, data) <= 1
        assert module.training == training
