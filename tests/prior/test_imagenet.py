from __future__ import annotations

import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PriorError
from semdd_lightning.prior import imagenet_names, with_imagenet_names

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


def test_names_of_imagenette() -> None:
    assert imagenet_names(list(NETTE)) == tuple(NETTE.values())


def test_unknown_wnid() -> None:
    with pytest.raises(
        PriorError, match=r"found 1 that are not, the first of them 'n01440765' \(close to n014407"
    ):
        imagenet_names(["n01440765"])


def test_registry_of_wnids_gets_names_in_its_own_order() -> None:
    wnids = ("n02979186", "n01440764")
    named = with_imagenet_names(ClassRegistry(names=wnids, folders=wnids))
    assert named.names == ("cassette player", "tench")
    assert (named.wnids, named.folders) == (wnids, wnids)


def test_other_registries_stay() -> None:
    registry = ClassRegistry(names=("cat", "dog"), folders=("0", "1"))
    assert with_imagenet_names(registry) is registry
