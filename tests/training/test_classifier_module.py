from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from sklearn.metrics import accuracy_score, top_k_accuracy_score
from torch import Tensor, nn
from torch.utils.data import DataLoader

from semdd_lightning.data import Augmentation, DigitsImages, FolderImages, ImageDataModule
from semdd_lightning.data.loaders import EvaluationLoader, PassLoader
from semdd_lightning.errors import ConfigError
from semdd_lightning.models import ConvNet, NetworkFactory
from semdd_lightning.training import ClassifierModule, CosineLR

MakeTrainer = Callable[..., Trainer]
TINY: NetworkFactory = partial(ConvNet, depth=1, width=4)
TINY_INSTANCE: NetworkFactory = partial(ConvNet, depth=1, width=4, norm="instance")
AUGMENTATION = Augmentation(crop_scale=(0.5, 1.0))


def _data(pool: Path, passes_per_epoch: int = 1, **options: Any) -> ImageDataModule:  # noqa: ANN401
    options = {"passes": 10, "batch_size": 7, "augmentation": AUGMENTATION, "num_workers": 0, **options}
    return ImageDataModule(FolderImages(pool), 3, 16, passes_per_epoch=passes_per_epoch, **options)


def _module(network: NetworkFactory = TINY) -> ClassifierModule:
    torch.manual_seed(0)
    return ClassifierModule(network, 3, 16)


def _dropout(num_classes: int, image_size: int) -> nn.Module:
    return nn.Sequential(nn.Dropout(0.5), ConvNet(num_classes, image_size, depth=1, width=4))


def _assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("network", [TINY, _dropout], ids=["plain", "dropout"])
def test_how_passes_make_epochs_and_where_images_live_change_no_number(
    coloured_pool: Path, make_trainer: MakeTrainer, network: NetworkFactory
) -> None:
    def trained(passes_per_epoch: int, storage: str = "device") -> dict[str, Tensor]:
        module = _module(network)
        data = _data(coloured_pool, passes_per_epoch, storage=storage)
        make_trainer(10 // passes_per_epoch).fit(module, datamodule=data)
        return module.state_dict()

    expected = trained(1)
    _assert_equal(trained(5), expected)
    _assert_equal(trained(5, "disk"), expected)
    _assert_equal(trained(2, "host"), expected)
    with pytest.raises(AssertionError):
        _assert_equal(_module(network).state_dict(), expected)


class StepLosses(Callback):
    """The loss of every step, and the mean that was logged, epoch by epoch."""

    def __init__(self) -> None:
        self.steps: list[list[float]] = []
        self.logged: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.steps.append([])

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:  # noqa: ANN401
        self.steps[-1].append(float(outputs["loss"]))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.logged = pd.read_csv(Path(str(trainer.log_dir)) / "metrics.csv")["train_loss"].tolist()


def test_the_logged_loss_is_the_mean_over_an_epochs_steps(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    losses = StepLosses()
    trainer = make_trainer(5, logger=CSVLogger(tmp_path), callbacks=[losses])
    trainer.fit(_module(), datamodule=_data(coloured_pool, 2))
    assert [len(steps) for steps in losses.steps] == [6] * 5
    assert losses.logged == pytest.approx([sum(steps) / 6 for steps in losses.steps], rel=1e-6)


def test_a_resumed_run_is_the_uninterrupted_one(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    def keep_all(folder: str) -> dict[str, Any]:
        callback = ModelCheckpoint(
            tmp_path / folder, "{epoch}", save_top_k=-1, save_on_train_epoch_end=True, every_n_epochs=1
        )
        return {"callbacks": [callback], "enable_checkpointing": True}

    whole = _module()
    make_trainer(4, **keep_all("whole")).fit(whole, datamodule=_data(coloured_pool, 2, passes=8))
    half = tmp_path / "whole" / "epoch=1.ckpt"
    resumed = _module()
    trainer = make_trainer(4, **keep_all("resumed"))
    trainer.fit(resumed, datamodule=_data(coloured_pool, 2, passes=8), ckpt_path=half)
    _assert_equal(resumed.state_dict(), whole.state_dict())
    assert trainer.global_step == 8 * 3
    one, other = (torch.load(tmp_path / run / "epoch=3.ckpt") for run in ("whole", "resumed"))
    states = [checkpoint["optimizer_states"][0]["state"] for checkpoint in (one, other)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    assert one["lr_schedulers"] == other["lr_schedulers"]


def test_ranks_gradients_average_to_the_single_processes(coloured_pool: Path) -> None:
    data = _data(coloured_pool, batch_size=5)
    data.setup("fit")

    def gradients(rank: int, world_size: int) -> list[list[Tensor]]:
        loader = PassLoader(data._stores["train"], data.planner, 1, lambda: 0, rank, world_size)
        found = []
        for batch in loader:
            module = _module(TINY_INSTANCE)
            module.log = lambda *_, **__: None  # type: ignore[method-assign]
            loss = module.training_step(data.on_after_batch_transfer(batch, 0), 0)
            found.append(list(torch.autograd.grad(loss, list(module.parameters()))))
        return found

    single, ranks = gradients(0, 1), [gradients(rank, 4) for rank in range(4)]
    for step, expected in enumerate(single):
        for i, gradient in enumerate(expected):
            mean = sum(rank[step][i] for rank in ranks) / 4
            torch.testing.assert_close(mean, gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("stretch", "quirks"), [(1.0, []), (2.0, ["half_cosine"])])
def test_a_half_cosine_is_named_also_when_a_checkpoint_had_another(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path, stretch: float, quirks: list[str]
) -> None:
    def module(stretch: float) -> ClassifierModule:
        return ClassifierModule(TINY, 3, 16, schedule=partial(CosineLR, stretch=stretch))

    saved = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)
    first, data = module(3.0 - stretch), partial(_data, coloured_pool, passes=2)
    trainer = make_trainer(1, callbacks=[saved], enable_checkpointing=True)
    trainer.fit(first, datamodule=data(passes=1))
    resumed = module(stretch)
    make_trainer(2).fit(resumed, datamodule=data(), ckpt_path=tmp_path / "last.ckpt")
    assert resumed.quirks == quirks
    assert first.quirks == ([] if quirks else ["half_cosine"])


class SomeLogits(ClassifierModule):
    """Logits that are a fixed random projection of 16 px images."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(TINY, num_classes, 16)

    def forward(self, images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return images.flatten(1) @ torch.randn(3 * 16 * 16, self.num_classes, generator=generator)


def test_accuracies_are_scikit_learns(make_trainer: MakeTrainer) -> None:
    data = ImageDataModule(None, 10, 16, test=DigitsImages(), validation=DigitsImages(held_out=9))
    data.evaluation_batch_size = 64
    for split, trained in (("test", make_trainer().test), ("val", make_trainer().validate)):
        (metrics,) = trained(SomeLogits(10), datamodule=data, verbose=False)
        images = (data.test if split == "test" else data.validation).open()  # type: ignore[union-attr]
        pixels = np.stack([np.asarray(images.read(i)) for i in range(len(images))])
        logits = SomeLogits(10)(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255).numpy()
        assert metrics[f"{split}_top1"] == pytest.approx(accuracy_score(images.labels, logits.argmax(1)))
        top5 = top_k_accuracy_score(images.labels, logits, k=5, labels=range(10))
        assert metrics[f"{split}_top5"] == pytest.approx(top5)
        assert metrics.keys() == {f"{split}_top1", f"{split}_top5"}


def test_top5_is_not_mistaken_for_top1_when_they_begin_alike() -> None:
    metrics = SomeLogits(10).test_metrics
    labels = torch.arange(10)
    metrics.update(torch.eye(10), labels)  # all right by either count
    metrics.update(torch.eye(10).roll(1, dims=1) + torch.eye(10) / 2, labels)  # second best by top-1
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert found == {"test_top1": 0.5, "test_top5": 1.0}


def test_few_classes_have_no_top5() -> None:
    assert set(SomeLogits(4).test_metrics) == {"test_top1"}
    assert set(SomeLogits(5).test_metrics) == {"test_top1", "test_top5"}


def test_an_empty_share_of_a_split_counts_nothing(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    class WithEmptyBatches(ImageDataModule):
        def test_dataloader(self) -> EvaluationLoader:
            loader, nothing = super().test_dataloader(), torch.empty(0, dtype=torch.int64)
            loader.batches = (nothing, *loader.batches, nothing)
            return loader

    expected, found = (
        make_trainer().test(_module(), datamodule=kind(None, 3, 16, test=FolderImages(coloured_pool)))
        for kind in (ImageDataModule, WithEmptyBatches)
    )
    assert found == expected


def test_another_data_module_is_refused(make_trainer: MakeTrainer) -> None:
    images: Any = [torch.zeros(3, 16, 16)] * 2
    with pytest.raises(ConfigError, match="Expected a data module of this package, found"):
        make_trainer().fit(_module(), DataLoader(images))


def _setup_in_two_processes(module: ClassifierModule, device: str) -> None:
    strategy = SimpleNamespace(root_device=torch.device(device))
    module._trainer = SimpleNamespace(world_size=2, strategy=strategy)  # type: ignore[assignment]
    module.setup("fit")


def test_batch_statistics_of_several_processes(caplog: pytest.LogCaptureFixture) -> None:
    def kinds(module: nn.Module) -> set[type[nn.Module]]:
        return {type(layer) for layer in module.modules()}

    on_cpu, on_gpu = _module(), _module()
    names = copy.deepcopy(on_gpu.state_dict()).keys()
    with caplog.at_level(logging.WARNING):
        _setup_in_two_processes(_module(TINY_INSTANCE), "cpu")
        assert caplog.text == ""
        _setup_in_two_processes(on_cpu, "cpu")
    assert "BatchNorm: each of the 2 processes uses statistics of its own part" in caplog.text
    assert nn.BatchNorm2d in kinds(on_cpu)
    _setup_in_two_processes(on_gpu, "cuda")
    assert nn.SyncBatchNorm in kinds(on_gpu)
    assert nn.BatchNorm2d not in kinds(on_gpu)
    assert on_gpu.state_dict().keys() == names


@pytest.mark.parametrize(("epochs", "warned"), [(2, False), (3, True)])
def test_epochs_that_do_not_make_the_passes_are_said(
    epochs: int,
    warned: bool,
    coloured_pool: Path,
    make_trainer: MakeTrainer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = _data(coloured_pool, 2, passes=4)
    with caplog.at_level(logging.WARNING):
        make_trainer(max_epochs=epochs).fit(_module(), datamodule=data)
    assert ("Expected max_epochs 2 for 4 passes at 2 per epoch, found 3" in caplog.text) == warned


def _saved(module: ClassifierModule, data: ImageDataModule, make_trainer: MakeTrainer, folder: Path) -> Path:
    saving = ModelCheckpoint(folder, "last", save_on_train_epoch_end=True)
    make_trainer(2, callbacks=[saving], enable_checkpointing=True).fit(module, datamodule=data)
    return folder / "last.ckpt"


def test_a_checkpoint_of_another_class_order_is_refused(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    checkpoint = _saved(_module(), _data(coloured_pool, passes=2), make_trainer, tmp_path)
    names = ("green", "blue", "red")
    data = ImageDataModule(None, 3, 16, test=FolderImages(coloured_pool, class_names=names))
    with pytest.raises(ConfigError, match="differ from class 0 on: it counts 'blue' there, the data 'green'"):
        make_trainer().test(_module(), datamodule=data, ckpt_path=checkpoint, verbose=False)


def test_training_does_not_go_on_with_other_images(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _data(coloured_pool, passes=2)
    checkpoint = _saved(_module(), data, make_trainer, tmp_path)
    monkeypatch.setattr(ImageDataModule, "training_digest", "others")
    with pytest.raises(ConfigError, match="it was trained on other images than are chosen now"):
        make_trainer(2).fit(_module(), datamodule=_data(coloured_pool, passes=2), ckpt_path=checkpoint)


def test_a_checkpoint_of_another_program(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    path = _saved(_module(), _data(coloured_pool, passes=2), make_trainer, tmp_path)
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["semdd"]
    torch.save(checkpoint, path)
    data = ImageDataModule(None, 3, 16, test=FolderImages(coloured_pool))
    with pytest.raises(ConfigError, match="Expected a checkpoint of this package, found another"):
        make_trainer().test(_module(), datamodule=data, ckpt_path=path, verbose=False)


@pytest.mark.parametrize(
    ("accumulated", "passes_per_epoch", "steps"), [(3, 1, 2), (3, 2, 2), (2, 1, 4), (2, 2, None)]
)
def test_accumulation_ends_with_the_pass(
    accumulated: int,
    passes_per_epoch: int,
    steps: int | None,
    coloured_pool: Path,
    make_trainer: MakeTrainer,
) -> None:
    trainer = make_trainer(2 // passes_per_epoch, accumulate_grad_batches=accumulated)
    # 18 images in batches of 7: three a pass
    data = _data(coloured_pool, passes=2, passes_per_epoch=passes_per_epoch)
    if steps is None:
        with pytest.raises(ConfigError, match="to divide the 3 batches of a pass, found 2"):
            trainer.fit(_module(), datamodule=data)
    else:
        trainer.fit(_module(), datamodule=data)
        assert trainer.global_step == steps


def test_half_precision_networks_train(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    module = _module()
    make_trainer(1, precision="bf16-true").fit(module, datamodule=_data(coloured_pool, passes=1))
    assert {p.dtype for p in module.parameters()} == {torch.bfloat16}
