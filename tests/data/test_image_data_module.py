from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from semdd_lightning.data import Augmentation, DigitsImages, FolderImages, ImageDataModule, TrainingImages
from semdd_lightning.data.image_settings import epochs_of
from semdd_lightning.data.storage import evaluation_view, square
from semdd_lightning.errors import ClassListError, ConfigError
from semdd_lightning.models import ConvNet
from semdd_lightning.training import ClassifierModule

PLAIN = Augmentation(horizontal_flip=0.0, mix="none")
Served = Callable[..., list[TrainingImages]]
MakeTrainer = Callable[..., Trainer]


def _classifier(num_classes: int = 3) -> ClassifierModule:
    return ClassifierModule(partial(ConvNet, depth=1, width=4), num_classes, 16)


@pytest.fixture
def folder_data(coloured_pool: Path) -> ImageDataModule:
    images = FolderImages(coloured_pool, held_out=2)
    held = replace(images, part="held_out")
    return ImageDataModule(
        images, 3, 16, test=held, validation=held, batch_size=5, passes=2, augmentation=PLAIN
    )


@pytest.mark.parametrize("storage", ["auto", "device", "host", "disk"])
def test_the_trainer_serves_every_image_with_its_label(
    folder_data: ImageDataModule, served_batches: Served, storage: str
) -> None:
    folder_data.storage, folder_data.num_workers = storage, 0  # type: ignore[assignment]
    batches = served_batches(folder_data, max_epochs=2)
    whole = folder_data.train.open()  # type: ignore[union-attr]
    expected = [np.asarray(whole.read(i)).tobytes() + bytes([whole.labels[i]]) for i in range(len(whole))]
    found = []
    for batch in batches:
        assert torch.equal(batch.partner_labels.sort().values, batch.labels.sort().values)
        assert batch.images.dtype == torch.float32
        pixels = (batch.images * 255).round().byte().permute(0, 2, 3, 1).numpy()
        found += [p.tobytes() + bytes([label]) for p, label in zip(pixels, batch.labels, strict=True)]
    assert len(batches) == 2 * 3  # 12 images make batches of 5, 5 and 2
    assert sorted(found[:12]) == sorted(found[12:]) == sorted(expected)
    assert found[:12] != found[12:]


def test_augmented_images_stay_in_the_unit_range_and_labels_follow_the_partners(
    folder_data: ImageDataModule, served_batches: Served
) -> None:
    folder_data.augmentation = Augmentation(crop_scale=(0.2, 1.0), shuffle_patches=2)
    batches = served_batches(folder_data)
    for batch in batches:
        assert batch.images.min() >= 0
        assert batch.images.max() <= 1
        classes = torch.tensor([2, 1, 0])[batch.images.argmax(dim=1)]  # red, green, blue pixels; (B, S, S)
        for pixels, own, partner in zip(classes, batch.labels, batch.partner_labels, strict=True):
            assert set(pixels.flatten().tolist()) <= {int(own), int(partner)}
            share = batch.ratio.item() if own != partner else 1.0
            assert (pixels == own).float().mean().item() == pytest.approx(share)
    assert any((batch.labels != batch.partner_labels).any() for batch in batches)


@pytest.mark.parametrize("mixing", ["cutmix", "mixup"])
def test_a_kept_mixing_group_serves_the_same_images_in_other_batches(
    coloured_pool: Path, mixing: str
) -> None:
    policy = Augmentation(crop_scale=(0.2, 1.0), mix=mixing)  # type: ignore[arg-type]

    def served(batch_size: int) -> dict[int, list[torch.Tensor]]:
        data = ImageDataModule(
            FolderImages(coloured_pool),
            3,
            16,
            batch_size=batch_size,
            passes=1,
            augmentation=policy,
            mixing_group=5,
        )
        data.setup("fit")
        images: dict[int, list[torch.Tensor]] = {}
        for indices in data.train_dataloader():
            batch = data.on_after_batch_transfer(indices, 0)
            assert batch.drawn_pass == 0
            assert batch.ratio.ndim == (batch_size != 5), "batches of 5 are the groups"
            ratios = batch.ratio.expand(len(batch.rows))
            columns = (batch.images, batch.labels, batch.partner_labels, batch.partner_rows, ratios)
            for i, row in enumerate(batch.rows.tolist()):
                images[row] = [column[i] for column in columns]
        return images

    expected, found = served(5), served(7)
    assert expected.keys() == found.keys() == set(range(18))
    for row, values in expected.items():
        for value, other in zip(values, found[row], strict=True):
            torch.testing.assert_close(other, value)


def test_fit_then_test_then_validate(folder_data: ImageDataModule, make_trainer: MakeTrainer) -> None:
    network, trainer = _classifier(), make_trainer()
    trainer.fit(network, datamodule=folder_data)
    assert folder_data.split_sizes() == {"train": 12, "validation": 6}
    (tested,) = trainer.test(network, datamodule=folder_data, verbose=False)
    (validated,) = trainer.validate(network, datamodule=folder_data, verbose=False)
    assert folder_data.split_sizes() == {"train": 12, "validation": 6, "test": 6}
    assert tested["test_top1"] == validated["val_top1"]  # they are the same images here


def test_prediction_takes_the_test_split_or_its_own(
    folder_data: ImageDataModule, make_trainer: MakeTrainer
) -> None:
    network = _classifier()
    rows: Any = make_trainer().predict(network, datamodule=folder_data)
    assert torch.equal(torch.cat([batch["row"] for batch in rows]), torch.arange(6))
    own = ImageDataModule(None, 10, 16, predict=DigitsImages(), evaluation_batch_size=300)
    predicted: Any = make_trainer().predict(_classifier(10), datamodule=own)
    labels = torch.cat([batch["label"] for batch in predicted])
    assert labels.tolist() == DigitsImages().open().labels.tolist()
    probability = torch.cat([batch["probability"] for batch in predicted])
    torch.testing.assert_close(probability.sum(dim=1), torch.ones(len(labels)))


def test_images_for_the_check_of_a_teacher(folder_data: ImageDataModule) -> None:
    folder_data.setup("fit")
    images, labels, what = folder_data.check_images()
    assert (images.dtype, len(images), what) == (torch.uint8, 6, "held-out real images")
    folder_data.validation = None
    without = ImageDataModule(folder_data.train, 3, 16)
    without.setup("fit")  # no trainer and no validation split are needed
    images, labels, what = without.check_images(count=4)
    assert (len(images), what) == (4, "training images")
    assert labels[[0, -1]].tolist() == [0, 2]
    assert list(without.val_dataloader()) == []


def test_a_batch_size_above_the_set_is_clamped_and_said(
    folder_data: ImageDataModule, caplog: pytest.LogCaptureFixture
) -> None:
    folder_data.batch_size = 99
    with caplog.at_level(logging.INFO, "semdd_lightning"):
        folder_data.setup("fit")
    assert folder_data.planner.batches == ((0, 12),)
    assert "batch_size 99 is clamped to the 12 images" in caplog.text
    assert "12 images live on cpu (0.0 MiB); 1 steps per pass" in caplog.text


def test_a_wrong_number_of_classes(coloured_pool: Path) -> None:
    data = ImageDataModule(FolderImages(coloured_pool), 4, 16)
    with pytest.raises(ClassListError, match=r"Expected 4 classes \(num_classes\), found 3"):
        data.setup("fit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size to be at least 1, found 0; give a whole number"),
        ({"passes": 2.5}, "passes to be at least 1, found 2.5; give a whole number"),
        ({"image_size": "16"}, "image_size to be at least 1, found '16'"),
        ({"num_workers": -1}, "num_workers to be at least 0, found -1"),
        ({"augmentation_seed": 1.5}, "augmentation_seed from 0 to 4294967295, found 1.5"),
        ({"test": "images"}, "test to be a kind of ImageSet, found 'images'"),
        ({"augmentation": "strong"}, "augmentation to be a kind of Augmentation"),
        ({"storage": "tape"}, "storage to be auto or .*, found 'tape'"),
        ({"evaluation_view": "all"}, "evaluation_view to be cropped or whole, found 'all'"),
        ({"mixing_group": 1}, "mixing_group of at least 2, found 1; one image has no partner"),
        ({"distinct_passes": 0}, "distinct_passes between 1 and the 30 passes, found 0"),
        ({"distinct_passes": 31}, "distinct_passes between 1 and the 30 passes, found 31"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ImageDataModule(**{"train": DigitsImages(), "num_classes": 3, "image_size": 16, **options})


def test_what_is_missing_is_said() -> None:
    nothing = ImageDataModule(None, 3, 16)
    with pytest.raises(ConfigError, match="Expected at least one image set, found none"):
        _ = nothing.registry
    with pytest.raises(ConfigError, match=r"Expected setup\('fit'\) to have run"):
        _ = nothing.planner
    with pytest.raises(ConfigError, match="Expected training images for fit, found train: null"):
        nothing.setup("fit")
    with pytest.raises(ConfigError, match=r"Expected a validation split, found none; give data\.validation"):
        nothing.setup("validate")
    with pytest.raises(ConfigError, match=r"Expected a test split, found none; give data\.test"):
        nothing.setup("test")


@pytest.mark.parametrize("view", ["cropped", "whole"])
def test_the_test_split_is_seen_by_the_asked_view(
    coloured_pool: Path, view: Literal["cropped", "whole"]
) -> None:
    test = FolderImages(coloured_pool)
    data = ImageDataModule(None, 3, 64, test=test, evaluation_view=view)
    data.setup("test")
    pixels = data._stores["test"].gather(torch.arange(2))
    decode = {"cropped": evaluation_view, "whole": square}[view]
    opened = test.open()
    assert torch.equal(pixels, torch.stack([decode(opened.read(i), 64) for i in range(2)]))


def test_epochs_are_whole() -> None:
    assert [epochs_of(300, per_epoch) for per_epoch in (1, 10, 300)] == [300, 30, 1]
    assert epochs_of(3, 4) == 1, "bookkeeping adapts"
    assert epochs_of(300, 7) == 50, "6 is the most up to 7 that divides 300"
