from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.optim import SGD

from semdd_lightning.data import Augmentation, FolderImages, PoolDataModule
from semdd_lightning.data.classifier import ClassifierContext
from semdd_lightning.data.loaders import PassLoader
from semdd_lightning.errors import LabelError, TeacherError
from semdd_lightning.models import ConvNet, NetworkFactory
from semdd_lightning.pools import ClassFolders
from semdd_lightning.training import DistillationModule, SoftLabels, StaticLabels, StoredLabels, Teacher
from semdd_lightning.training.soft_labels.label_format import LabelFormat, Precision
from semdd_lightning.training.soft_labels.sources import label_plain
from semdd_lightning.training.soft_labels.store import LabelStore

MakeData = Callable[..., PoolDataModule]
MakeStore = Callable[..., LabelStore]
MakeTrainer = Callable[..., Trainer]
HALF = 1e-4  # what weights may differ by, out of steps that move them by some hundredths
TINY: NetworkFactory = partial(ConvNet, depth=1, width=4, norm="none")


class Blind(Teacher):
    """A teacher that must not be asked for."""

    def build(self, context: ClassifierContext) -> torch.nn.Module:
        raise TeacherError("nobody was to be asked")


def _module(teacher: Teacher | SoftLabels, **options: Any) -> DistillationModule:  # noqa: ANN401
    torch.manual_seed(0)
    return DistillationModule(TINY, teacher, 3, 16, **options)


def _trained(
    make_trainer: MakeTrainer,
    data: PoolDataModule,
    teacher: Teacher | SoftLabels,
    **options: Any,  # noqa: ANN401 - of the module
) -> tuple[DistillationModule, Tensor]:
    """The module and the student's weights in one vector.

    Plain gradient steps: Adam divides by the gradient's size and makes much of last bits near zero.
    """
    module = _module(teacher, **{"optimizer": partial(SGD, lr=1.0), **options})
    before = _weights(module)
    make_trainer(data.passes).fit(module, datamodule=data)
    assert (_weights(module) - before).abs().max() > 0.01
    return module, _weights(module)


def _weights(module: DistillationModule) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.network.parameters()])


class _Stub:
    """As much of a trainer as ``setup`` asks for."""

    def __init__(self, data: PoolDataModule) -> None:
        self.datamodule, self.world_size, self.strategy = data, 1, self
        self.root_device = torch.device("cpu")


def _set_up(
    data: PoolDataModule,
    teacher: Teacher | SoftLabels,
    **options: Any,  # noqa: ANN401 - of the module
) -> DistillationModule:
    module = _module(teacher, **options)
    module._trainer = _Stub(data)  # type: ignore[assignment]
    data.setup("fit")
    module.setup("fit")
    return module


@pytest.mark.parametrize("mixing", ["cutmix", "mixup", "none"])
def test_stored_labels_are_the_online_teachers(
    make_data: MakeData, make_store: MakeStore, make_trainer: MakeTrainer, teacher: Teacher, mixing: str
) -> None:
    """To the last bit in fp32; in fp16 to its precision."""
    policy = Augmentation(crop_scale=(0.4, 1.0), mix=mixing)  # type: ignore[arg-type]
    _, online = _trained(make_trainer, make_data(augmentation=policy), teacher)
    for precision, tolerance in (("fp32", 0.0), ("fp16", HALF)):
        form = LabelFormat(3, precision)  # type: ignore[arg-type]
        store = make_store(make_data(augmentation=policy), form)
        module, stored = _trained(make_trainer, make_data(augmentation=policy), StoredLabels(store.directory))
        torch.testing.assert_close(stored, online, atol=tolerance, rtol=0)
        assert module.teacher_card == store.header.teacher
        assert module.teacher_card["teacher"] == "ColourTeacher"
        assert module._opened is not None
        assert module._opened.teacher is None
        shutil.rmtree(store.directory)


def test_another_batch_size_sees_the_same_labels(
    make_data: MakeData, make_store: MakeStore, make_trainer: MakeTrainer, teacher: Teacher
) -> None:
    store = make_store(make_data(batch_size=5))
    other = {"batch_size": 8, "mixing_group": 5}
    _, online = _trained(make_trainer, make_data(**other), teacher)
    _, stored = _trained(make_trainer, make_data(**other), StoredLabels(store.directory))
    torch.testing.assert_close(stored, online, atol=HALF, rtol=0)
    with pytest.raises(LabelError, match=r"mixing_group is 5 in the store, 8 here.*--data\.mixing_group 5"):
        _trained(make_trainer, make_data(batch_size=8), StoredLabels(store.directory))


@pytest.mark.parametrize("world_size", [2, 3])
def test_every_rank_finds_its_labels(
    make_data: MakeData, make_store: MakeStore, teacher: Teacher, world_size: int
) -> None:
    store, data = make_store(make_data(), LabelFormat(3, "fp32")), make_data()
    online, stored = _set_up(data, teacher), _set_up(data, StoredLabels(store.directory))
    for rank in range(world_size):
        loader = PassLoader(data._stores["train"], data.planner, 3, lambda: 0, rank, world_size)
        for indices in loader:
            batch = data.on_after_batch_transfer(indices, 0)
            torch.testing.assert_close(
                stored.teacher_logits(batch), online.teacher_logits(batch), atol=1e-5, rtol=1e-5
            )


def test_fewer_passes_are_used_in_rotation(
    make_data: MakeData, make_store: MakeStore, make_trainer: MakeTrainer, teacher: Teacher
) -> None:
    pruned = {"passes": 5, "distinct_passes": 2}
    store = make_store(make_data(**pruned))
    assert store.header.passes == 2
    _, online = _trained(make_trainer, make_data(**pruned), teacher)
    _, stored = _trained(make_trainer, make_data(**pruned), StoredLabels(store.directory))
    torch.testing.assert_close(stored, online, atol=HALF, rtol=0)
    with pytest.raises(
        LabelError, match=r"Expected labels of 5 passes in .*, found 2; give --data\.distinct_passes 2,"
    ):
        _trained(make_trainer, make_data(passes=5), StoredLabels(store.directory))


def test_students_of_other_seeds_learn_from_one_store(
    make_data: MakeData, make_store: MakeStore, make_trainer: MakeTrainer
) -> None:
    labels = StoredLabels(make_store(make_data(augmentation_seed=0)).directory)
    with pytest.raises(LabelError, match=r"augmentation_seed is 0 in the store, 1 here; .*replay_seed 0"):
        _trained(make_trainer, make_data(augmentation_seed=1), labels)
    _trained(make_trainer, make_data(augmentation_seed=1, replay_seed=0), labels)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"selection_seed": 1}, "selection is .* here; selection_seed is 0 in the store, 1 here; give the"),
        ({"sampler": "relevance"}, "selection is .*; sampler.name is random in the store, relevance here"),
        ({"ipc": 3}, "num_images is 12 in the store, 9 here; .*ipc is 4 in the store, 3 here"),
        ({"augmentation": Augmentation(crop_scale=(0.4, 1.0), mix="mixup")}, "augmentation.mix is cutmix in"),
    ],
)
def test_labels_of_something_else_are_refused(
    make_data: MakeData,
    make_store: MakeStore,
    make_trainer: MakeTrainer,
    options: dict[str, Any],
    what: str,
) -> None:
    store = make_store(make_data())
    with pytest.raises(LabelError, match=f"Expected the soft labels in .* to be made for this run.*{what}"):
        _trained(make_trainer, make_data(**options), StoredLabels(store.directory))


def test_full_labels_fit_another_temperature_and_the_largest_logits_do_not(
    make_data: MakeData, make_store: MakeStore, make_trainer: MakeTrainer, teacher: Teacher, tmp_path: Path
) -> None:
    full = make_store(make_data(), LabelFormat(3, "fp32", temperature=20.0)).directory
    _, online = _trained(make_trainer, make_data(), teacher, temperature=4.0)
    _, stored = _trained(make_trainer, make_data(), StoredLabels(full), temperature=4.0)
    torch.testing.assert_close(stored, online, atol=0, rtol=0)
    form = LabelFormat(3, "fp32", 2, temperature=20.0)
    few, data = StoredLabels(make_store(make_data(), form, directory=tmp_path / "few").directory), make_data()
    _trained(make_trainer, make_data(), few)
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"temperature": 4.0}, "Expected labels for temperature 4, found the 2 largest"),
        ({"loss": "mse"}, "Expected labels with all logits for the loss mse"),
    )
    for options, what in refused:
        with pytest.raises(LabelError, match=what):
            _trained(make_trainer, data, few, **options)
    assert data.selected is None, "before the pool is embedded"


@pytest.mark.parametrize(("precision", "warned"), [("int8", True), ("fp16", False)])
def test_a_loss_between_logits_is_told_what_int8_costs(
    make_data: MakeData,
    make_store: MakeStore,
    make_trainer: MakeTrainer,
    precision: Precision,
    warned: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    labels = StoredLabels(make_store(make_data(), LabelFormat(3, precision)).directory)
    _trained(make_trainer, make_data(), labels)
    assert "are int8" not in caplog.text, "distributions hardly notice"
    _trained(make_trainer, make_data(), labels, loss="mse", optimizer=partial(SGD, lr=1e-3))
    assert ("are int8: their logits, with a mean square of" in caplog.text) == warned


def test_a_result_names_its_labels(make_data: MakeData, make_store: MakeStore, teacher: Teacher) -> None:
    store = make_store(make_data(), LabelFormat(3, "int8", 2, 20.0))
    assert _module(teacher).label_record == {"kind": "online"}
    assert _module(StaticLabels(teacher)).label_record == {"kind": "static"}
    assert _module(StoredLabels(store.directory)).label_record == {
        "kind": "stored",
        "static": False,
        "format": "int8, the 2 largest logits, the rest evenly",
        "passes": 3,
        "bytes": sum(file.stat().st_size for file in store.directory.iterdir()),
    }


def test_labels_of_another_pool_are_refused(
    make_data: MakeData, make_store: MakeStore, make_trainer: MakeTrainer, coloured_pool: Path, tmp_path: Path
) -> None:
    store, data = make_store(make_data()), make_data(audit="off")
    changed = tmp_path / "changed"
    shutil.copytree(coloured_pool, changed)
    shutil.copy(changed / "red" / "0.png", changed / "blue" / "0.png")
    data.pool = ClassFolders(changed)
    where = rf"pool_root is {coloured_pool} in the store, {changed} here"
    with pytest.raises(LabelError, match=rf"pool is .* in the store, .* here; {where}; give the config"):
        _trained(make_trainer, data, StoredLabels(store.directory))


def test_missing_and_unfinished_labels_are_refused_before_the_pool_is_embedded(
    make_data: MakeData, make_store: MakeStore, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    data = make_data()
    with pytest.raises(LabelError, match=r"Expected stored soft labels in .*nowhere, found no labels.json"):
        _trained(make_trainer, data, StoredLabels(tmp_path / "nowhere"))
    store = make_store(make_data())
    store.file(0).unlink()
    with pytest.raises(LabelError, match=r"Expected all 1 files of labels in .*, found 0"):
        _trained(make_trainer, data, StoredLabels(store.directory))
    assert data.selected is None


def test_static_labels_of_a_loss_between_logits_are_means_of_logits(
    make_data: MakeData, make_store: MakeStore, teacher: Teacher
) -> None:
    data = make_data()
    store = make_store(data, LabelFormat(3, "fp32"), static=True)
    labels: tuple[SoftLabels, ...] = (StaticLabels(teacher), StoredLabels(store.directory))
    for given in labels:
        module = _set_up(data, given, loss="mse")
        plain = label_plain(teacher.build(module._context), data)
        for batch in data.training_pass(0):
            own, partner = plain[batch.rows], plain[batch.partner_rows]
            expected = batch.ratio * own + (1 - batch.ratio) * partner
            torch.testing.assert_close(module.teacher_logits(batch), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mixing", ["cutmix", "none"])
def test_static_labels_are_what_the_teacher_says_of_plain_images(
    make_data: MakeData, make_store: MakeStore, teacher: Teacher, mixing: str
) -> None:
    policy = Augmentation(crop_scale=(0.4, 1.0), mix=mixing)  # type: ignore[arg-type]
    data = make_data(augmentation=policy)
    module = _set_up(data, StaticLabels(teacher))
    network = teacher.build(module._context)
    plain = network(data._stores["train"].gather(torch.arange(12)).float() / 255)
    for batch in data.training_pass(0):
        own, partner = plain[batch.rows], plain[batch.partner_rows]
        expected = batch.ratio * (own / 20).softmax(1) + (1 - batch.ratio) * (partner / 20).softmax(1)
        found = (module.teacher_logits(batch) / 20).softmax(1)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert module.teacher_card is not None
    assert module.teacher_card["accuracy"]["top1"] > 0.9


def test_static_labels_from_a_store_fit_any_augmentation(
    make_data: MakeData, make_store: MakeStore, make_trainer: MakeTrainer, teacher: Teacher
) -> None:
    store = make_store(make_data(), LabelFormat(3, "fp32"), static=True)
    assert store.header.passes == 1
    for options in ({}, {"batch_size": 4, "augmentation": Augmentation(mix="mixup"), "augmentation_seed": 3}):
        _, once = _trained(make_trainer, make_data(**options), StaticLabels(teacher))
        _, stored = _trained(make_trainer, make_data(**options), StoredLabels(store.directory))
        torch.testing.assert_close(stored, once, atol=1e-6, rtol=0)
    with pytest.raises(LabelError, match=r"selection is .* in the store, .* here"):
        _trained(make_trainer, make_data(selection_seed=1), StoredLabels(store.directory))


def test_a_static_teacher_is_checked_too(make_data: MakeData, make_trainer: MakeTrainer) -> None:
    with pytest.raises(TeacherError, match="nobody was to be asked"):
        _trained(make_trainer, make_data(), StaticLabels(Blind()))


def test_evaluation_needs_no_labels(
    make_data: MakeData, make_trainer: MakeTrainer, coloured_pool: Path, tmp_path: Path
) -> None:
    data = make_data(test=FolderImages(coloured_pool))
    assert make_trainer().test(_module(StoredLabels(tmp_path / "gone")), datamodule=data, verbose=False)
