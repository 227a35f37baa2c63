from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from timm.data.imagenet_info import ImageNetInfo

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import plain_name
from semdd_lightning.datasets import imagenet_names, with_imagenet_names
from semdd_lightning.datasets.imagenet import imagenet_wnids
from semdd_lightning.errors import ClassListError

NETTE = {
    "n01440764": "tench",
    "n02102040": "English Springer Spaniel",
    "n02979186": "cassette player",
    "n03000684": "chainsaw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
TWICE = {  # open_clip has one name for each pair
    "n03773504": "missile",
    "n04008634": "projectile",
    "n04355933": "sunglass",
    "n04356056": "sunglasses",
}


def test_the_thousand_are_timms() -> None:
    assert imagenet_wnids() == tuple(ImageNetInfo().label_names())  # type: ignore[no-untyped-call]
    assert list(imagenet_wnids()) == sorted(set(imagenet_wnids()))


def test_names_of_imagenette() -> None:
    assert imagenet_names(list(NETTE)) == tuple(NETTE.values())


def test_all_names_are_open_clips_but_those_that_stand_twice() -> None:
    names = imagenet_names(imagenet_wnids())
    given = dict(zip(imagenet_wnids(), IMAGENET_CLASSNAMES, strict=True))
    counts = Counter(IMAGENET_CLASSNAMES)
    assert {wnid for wnid in given if counts[given[wnid]] > 1} == set(TWICE)
    assert dict(zip(imagenet_wnids(), names, strict=True)) == given | TWICE
    assert len(set(map(plain_name, names))) == 1000


def test_a_name_is_only_changed_where_both_classes_are_there() -> None:
    assert imagenet_names(["n04008634", "n04355933"]) == ("missile", "sunglasses")
    assert imagenet_names(["n04008634", "n01440764", "n03773504"]) == ("projectile", "tench", "missile")
    assert imagenet_names(["n04008634", "n04008634"]) == ("missile", "missile")


def test_unknown_wnid() -> None:
    with pytest.raises(
        ClassListError, match=r"found 1 that are not, the first of them 'n01440765' \(close to n014407"
    ):
        imagenet_names(["n01440765"])


def test_registry_of_wnids_gets_names_in_its_own_order() -> None:
    wnids = ("n02979186", "n01440764")
    named = with_imagenet_names(ClassRegistry(names=wnids, folders=wnids))
    assert named.names == ("cassette player", "tench")
    assert (named.wnids, named.folders) == (wnids, wnids)


def test_a_name_that_the_user_gave_stays() -> None:
    wnids = ("n03773504", "n01440764", "n04008634")
    given = ClassRegistry(("rocket", *wnids[1:]), ("0", "1", "2"), wnids)
    assert with_imagenet_names(given) == replace(given, names=("rocket", "tench", "missile"))
    complete = replace(given, names=("rocket", "fish", "missile"))
    assert with_imagenet_names(complete) is complete


def test_other_registries_stay() -> None:
    registry = ClassRegistry(names=("cat", "n02979186"), folders=("0", "1"))
    assert with_imagenet_names(registry) is registry
