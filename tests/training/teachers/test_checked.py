"""A teacher is asked about the pool too, and not only about the images of its check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from semdd_lightning.data import FolderImages, PoolDataModule
from semdd_lightning.errors import AuditError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.training import DistillationModule, StaticLabels
from semdd_lightning.training.teachers import TeacherContext, answers_shared, checked, checked_teacher
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
    context = TeacherContext(data.registry, 16, data.clip)
    found = checked_teacher(ColourTeacher(), context, data, torch.device("cpu"))
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
    context = TeacherContext(data.registry, 16, data.clip)
    found = checked_teacher(ColourTeacher(), context, data, torch.device("cpu"))
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
        context = TeacherContext(data.registry, 16, data.clip)
        return checked_teacher(ColourTeacher(), context, data, torch.device("cpu")).card

    alone = card(first)
    with answers_shared():
        assert [card(data)["accuracy"] for data in (first, same, other)] == [
            alone["accuracy"], alone["accuracy"], {"top1": 0.75, "on": "training images"}
        ]  # fmt: skip
    card(first)
    held_out = "held-out real images"
    assert asked == [held_out, held_out, "training images", held_out]
