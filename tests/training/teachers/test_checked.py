"""A teacher is asked about the images of its check and about the pool, and refused by either."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Trainer
from scipy.stats import binomtest
from torch import Tensor, nn

from semdd_lightning.audit import AuditPolicy
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import FolderImages, PoolDataModule
from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier
from semdd_lightning.errors import AuditError, TeacherError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.training import DistillationModule, StaticLabels
from semdd_lightning.training.teachers import checked
from semdd_lightning.training.teachers.checked import (
    answers_shared,
    check_teacher,
    checked_teacher,
    upper_bound,
)
from tests.training.colour_teacher import ColourTeacher

CLASSES = "name,folder\nblue,green\ngreen,blue\nred,red\n"  # two folders change places


@pytest.fixture
def make_data(coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path) -> Callable[..., PoolDataModule]:
    """A pool with two folders swapped by its class list, and real images in their right folders."""
    classes = tmp_path / "classes.csv"
    classes.write_text(CLASSES)

    def make(**options: Any) -> PoolDataModule:  # noqa: ANN401 - what the data module takes
        pool = ClassFolders(coloured_pool, classes if options.pop("swapped", True) else None)
        prior = OpenClipPrior(str(tiny_clip_dir))
        return PoolDataModule(
            pool=pool,
            prior=prior,
            ipc=2,
            num_classes=3,
            image_size=16,
            validation=FolderImages(coloured_pool),
            **options,
        )

    return make


def test_a_pool_in_another_order_is_refused_by_a_teacher_that_is_right_on_real_images(
    make_data: Callable[..., PoolDataModule], make_trainer: Callable[..., Trainer]
) -> None:
    for teacher in (ColourTeacher(), StaticLabels(ColourTeacher())):
        module = DistillationModule("conv3", teacher, 3, 16)
        with pytest.raises(AuditError, match=r"by teacher, 33 % .* 100 % would") as refused:
            make_trainer().fit(module, datamodule=make_data(passes=1, passes_per_epoch=1))
        assert "blue,blue\ngreen,green\nred,red\n" in str(refused.value)


@pytest.mark.parametrize("audit", ["warn", "off"])
def test_the_flag_goes_on_all_the_same(
    make_data: Callable[..., PoolDataModule], audit: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = make_data(audit=audit)
    data.setup("fit")
    context = ClassifierContext(data.registry, 16, data.clip)
    found = checked_teacher(ColourTeacher(), context, data)
    assert found.card["accuracy"]["top1"] == 1.0
    assert ("by teacher, 33 %" in caplog.text) == (audit == "warn")
    assert data.selected is not None
    if audit == "off":
        assert found.audit is None
    else:
        assert found.audit is not None
        assert found.audit.teacher is not None, "the result tells what the teacher saw"
        assert found.audit.refused


def test_a_sound_pool_is_left_alone(make_data: Callable[..., PoolDataModule]) -> None:
    data = make_data(swapped=False)
    data.setup("fit")
    context = ClassifierContext(data.registry, 16, data.clip)
    found = checked_teacher(ColourTeacher(), context, data)
    assert found.card["accuracy"]["top1"] == 1.0
    assert found.frozen(torch.zeros(1, 3, 16, 16)).shape == (1, 3)


def test_runs_of_one_process_may_ask_about_the_same_images_once(
    make_data: Callable[..., PoolDataModule], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def check(*arguments: Any) -> float:  # noqa: ANN401 - whatever it is given
        asked.append(str(arguments[4]))
        return 0.75

    monkeypatch.setattr(checked, "check_teacher", check)
    first, same, other = make_data(swapped=False), make_data(swapped=False), make_data(swapped=False)
    other.validation = None  # so that it is asked about the chosen images
    for data in (first, same, other):
        data.setup("fit")

    def card(data: PoolDataModule) -> dict[str, Any]:
        context = ClassifierContext(data.registry, 16, data.clip)
        return checked_teacher(ColourTeacher(), context, data).card

    alone = card(first)
    with answers_shared():
        assert [card(data)["accuracy"] for data in (first, same, other)] == [
            alone["accuracy"], alone["accuracy"], {"top1": 0.75, "on": "training images"}
        ]  # fmt: skip
    card(first)
    held_out = "held-out real images"
    assert asked == [held_out, held_out, "training images", held_out]


class Answers(nn.Module):
    """Reads its answer, a class index, from the images' first pixel; 255 would be 1."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, images: Tensor) -> Tensor:
        answers = (images[:, 0, 0, 0] * 255).round().long()
        return nn.functional.one_hot(answers, self.num_classes).float()


def _check(answers: Tensor, labels: Tensor, num_classes: int, audit: AuditPolicy = "refuse") -> float:
    teacher = FrozenClassifier(Answers(num_classes), torch.device("cpu"))
    images = answers.to(torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    return check_teacher(teacher, images, labels, _classes(num_classes), "images", audit)


def _classes(number: int) -> ClassRegistry:
    names = tuple(f"class {index}" for index in range(number))
    return ClassRegistry(names, names)


@given(st.integers(1, 1000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_bound_is_clopper_and_pearsons(counts: tuple[int, int]) -> None:
    interval = binomtest(*counts, alternative="less").proportion_ci(0.99, method="exact")
    assert upper_bound(*counts) == pytest.approx(interval.high, rel=1e-9)


def test_the_bound_grows_with_what_is_right() -> None:
    bounds = [upper_bound(correct, 50) for correct in range(51)]
    assert all(low < high for low, high in pairwise(bounds))


@pytest.mark.parametrize("wrong", [0, 100, 500])
def test_a_good_teacher_passes_with_its_accuracy(wrong: int) -> None:
    labels = torch.arange(1001) % 10  # more than one batch, and a last one of its own
    answers = torch.cat([(labels[:wrong] + 1) % 10, labels[wrong:]])
    assert _check(answers, labels, 10) == pytest.approx(1 - wrong / 1001)


@pytest.mark.parametrize(
    ("num_classes", "total"), [(3, 1000), (10, 1000), (10, 200), (50, 1000), (200, 4000)]
)
def test_shuffled_labels_are_refused(num_classes: int, total: int) -> None:
    labels = torch.arange(total) % num_classes
    shuffled = labels[torch.randperm(total, generator=torch.Generator().manual_seed(0))]
    message = (
        rf"above chance, found \d+ of {total} images right .*chance is {1 / num_classes:.1%}\); check first"
    )
    with pytest.raises(TeacherError, match=message):
        _check(shuffled, labels, num_classes)


@given(st.integers(1, 200), st.integers(3, 50), st.data())
def test_refused_is_what_the_bound_puts_below_twice_chance(
    total: int, num_classes: int, data: st.DataObject
) -> None:
    correct = data.draw(st.integers(0, total))
    labels = torch.zeros(total, dtype=torch.int64)
    answers = torch.cat([labels[:correct], labels[correct:] + 1])
    high = binomtest(correct, total, alternative="less").proportion_ci(0.99, method="exact").high
    if high < 2 / num_classes:
        with pytest.raises(TeacherError, match="above chance"):
            _check(answers, labels, num_classes)
    else:
        assert _check(answers, labels, num_classes) == correct / total


def test_a_few_images_prove_nothing_against_a_teacher_of_many_classes() -> None:
    assert _check(torch.tensor([1, 2, 0]), torch.tensor([0, 1, 2]), 10) == 0


def test_of_two_classes_a_teacher_may_err_but_not_guess() -> None:
    labels = torch.arange(1000) % 2
    right = torch.cat([1 - labels[:100], labels[100:]])
    assert _check(right, labels, 2) == 0.9
    with pytest.raises(TeacherError, match=r"found 500 of 1000 images right \(50\.0%, chance is 50\.0%\)"):
        _check(torch.zeros(1000, dtype=torch.int64), labels, 2)


def test_a_teacher_with_two_classes_swapped_is_refused_though_it_is_far_above_chance() -> None:
    labels = torch.arange(1000) % 10
    swapped = labels.clone()
    swapped[labels == 3], swapped[labels == 7] = 7, 3
    message = r"another order\. It would be right on 100% instead of 80% .* call 'class 3' is 'class 7'"
    with pytest.raises(AuditError, match=message):
        _check(swapped, labels, 10)
    assert _check(swapped, labels, 10, "warn") == 0.8
    assert _check(swapped, labels, 10, "off") == 0.8


def test_a_teacher_at_chance_by_its_order_is_told_so() -> None:
    labels = torch.arange(1000) % 10
    message = r"above chance, found 0 of 1000 .* right on 100% instead of 0% of the images if"
    with pytest.raises(TeacherError, match=message):
        _check((labels + 1) % 10, labels, 10)


def test_another_number_of_logits_is_refused() -> None:
    teacher = FrozenClassifier(Answers(4), torch.device("cpu"))
    images, labels = torch.zeros(2, 3, 2, 2, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(TeacherError, match="Expected a teacher of 3 classes, found 4 logits; give pool and"):
        check_teacher(teacher, images, labels, _classes(3), "images")
