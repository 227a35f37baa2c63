"""Folders of an export are the pool's, unless they would be read as other classes."""

from __future__ import annotations

import pytest

from semdd_lightning.classes import ClassRegistry, resolve_classes
from semdd_lightning.export.subset import export_folders

WNIDS = ("n02102040", "n01440764")
NAMES = ("springer", "tench")


@pytest.mark.parametrize(
    ("folders", "wnids"),
    [
        (NAMES, None),
        (NAMES, WNIDS),
        (("Springer", "TENCH"), None),
        (WNIDS, WNIDS),
        (WNIDS, None),
        (("0", "1"), WNIDS),
        (("new3", "new12"), None),
        (("a2", "b1"), None),
        (("fish", "dog"), WNIDS),
    ],
)
def test_folders_that_mean_no_other_class_stay(
    folders: tuple[str, ...], wnids: tuple[str, ...] | None
) -> None:
    assert export_folders(ClassRegistry(NAMES, folders, wnids, folders_given=True)) == folders


@pytest.mark.parametrize("folders", [NAMES[::-1], WNIDS[::-1], ("1", "0"), ("x", "Springer"), ("c10", "c9")])
def test_others_are_named_by_wnid(folders: tuple[str, ...]) -> None:
    assert export_folders(ClassRegistry(NAMES, folders, WNIDS)) == WNIDS


@pytest.mark.parametrize("folders", [NAMES[::-1], ("1", "0"), ("new2", "new1"), ("tench", "x")])
def test_others_are_named_by_class_where_no_wnids_are_known(folders: tuple[str, ...]) -> None:
    assert export_folders(ClassRegistry(NAMES, folders)) == NAMES


def test_where_names_are_not_fit_for_folders_numbers_in_class_order_are_taken() -> None:
    names = ("a/b", *(f"class {letter}" for letter in "bcdefghijk"))
    made = export_folders(ClassRegistry(names, tuple(map(str, range(10, -1, -1)))))
    assert made == tuple(f"{c:02}" for c in range(11)) == tuple(sorted(made))
    assert resolve_classes(made, ClassRegistry(names, names)).folders == made
