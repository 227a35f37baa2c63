from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from semdd_lightning.data import Augmentation, DigitsImages, ImageDataModule, PoolDataModule
from semdd_lightning.data.passes import PassPlanner
from semdd_lightning.errors import LabelError
from semdd_lightning.training.soft_labels.header import (
    differences,
    draws_digest,
    made_for,
    refuse_differences,
)

POLICY = Augmentation(crop_scale=(0.5, 1.0))


def test_differences_are_said_one_by_one() -> None:
    stored = {"pool": "a" * 64, "augmentation": {"mix": "cutmix", "crop_scale": [0.5, 1.0]}, "seed": 0}
    found = {"pool": "b" * 64, "augmentation": {"mix": "cutmix", "crop_scale": (0.08, 1.0)}, "seed": 0}
    assert differences(stored, found) == [
        "pool is aaaaaaaaaaaa... in the store, bbbbbbbbbbbb... here",
        "augmentation.crop_scale is [0.5, 1.0] in the store, [0.08, 1.0] here",
    ]
    assert differences(stored, {**stored, "augmentation": {"mix": "cutmix", "crop_scale": (0.5, 1)}}) == []
    names = [str(i) for i in range(100)]
    assert differences({}, {"class_names": names}) == [
        "class_names is None in the store, [0, 1, 2, ... 100 of them] here"
    ]


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        ({"draws": "y", "mixing_group": 5}, r"give --data\.mixing_group 10\."),
        ({"draws": "y", "augmentation_seed": 1}, r"give --data\.replay_seed 0\."),
        (
            {"draws": "y", "augmentation_seed": 1, "mixing_group": 5},
            r"give --data\.replay_seed 0 --data\.mixing_group 10\.",
        ),
        ({"draws": "y"}, "make the labels again with `semdd relabel`"),
        ({"mixing_group": 5, "pool": "q"}, "make the labels again with `semdd relabel`"),
    ],
)
def test_the_advice_fits_the_difference(found: dict[str, Any], advice: str) -> None:
    stored = {"draws": "x", "mixing_group": 10, "augmentation_seed": 0, "pool": "p"}
    refuse_differences("store", stored, stored)
    with pytest.raises(LabelError, match=f"Expected the soft labels in store to be made for this .*{advice}"):
        refuse_differences("store", stored, {**stored, **found})


def test_the_digest_of_draws_knows_every_draw() -> None:
    one = PassPlanner(20, 5, 16, POLICY)
    same = PassPlanner(20, 10, 16, POLICY, mixing_group=5)
    assert draws_digest(one.plan(0)) == draws_digest(same.plan(0))
    others = [
        one.plan(1),
        PassPlanner(20, 5, 16, POLICY, seed=1).plan(0),
        PassPlanner(20, 10, 16, POLICY).plan(0),
        PassPlanner(21, 5, 16, POLICY).plan(0),
        PassPlanner(20, 5, 16, Augmentation(crop_scale=(0.5, 0.9))).plan(0),
        PassPlanner(20, 5, 16, Augmentation(crop_scale=(0.5, 1.0), mix="mixup")).plan(0),
    ]
    assert len({draws_digest(plan) for plan in [one.plan(0), *others]}) == 7


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"batch_size": 7, "mixing_group": 5, "passes": 9, "num_workers": 1, "storage": "host"}, set()),
        ({"augmentation_seed": 3, "replay_seed": 0}, set()),
        ({"distinct_passes": 2}, set()),
        ({"augmentation_seed": 3}, {"augmentation_seed", "draws"}),
        ({"batch_size": 7}, {"mixing_group", "draws"}),
        ({"selection_seed": 1}, {"selection"}),
        ({"augmentation": POLICY}, {"augmentation", "draws"}),
    ],
)
def test_what_pixels_depend_on_and_nothing_else(
    make_data: Callable[..., PoolDataModule], options: dict[str, Any], changed: set[str]
) -> None:
    found = []
    for given in ({}, options):
        data = make_data(**given)
        data.setup("fit")
        found.append(made_for(data, static=False))
    assert {key for key, value in found[0].items() if found[1][key] != value} == changed
    assert found[0].keys() == found[1].keys()


def test_static_labels_depend_on_no_augmentation(make_data: Callable[..., PoolDataModule]) -> None:
    found = []
    for options in ({}, {"augmentation": POLICY, "augmentation_seed": 4, "batch_size": 9}):
        data = make_data(**options)
        data.setup("fit")
        found.append(made_for(data, static=True))
    assert found[0] == found[1]
    assert found[0]["num_images"] == 12


def test_images_that_nothing_identifies() -> None:
    data = ImageDataModule(DigitsImages(), 10, 16)
    data.setup("fit")
    with pytest.raises(LabelError, match="Expected images selected from a pool, found a data module without"):
        made_for(data, static=False)
