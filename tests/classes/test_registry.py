from __future__ import annotations

import re
from dataclasses import replace

import pytest

from semdd_lightning.classes import ClassRegistry, resolve_classes
from semdd_lightning.errors import ClassListError

WNIDS = ("n01440764", "n02102040", "n02979186")


def _names(*names: str) -> ClassRegistry:
    return ClassRegistry(names, names)


def test_digest_depends_on_every_field_and_on_the_order() -> None:
    base = ClassRegistry(("a", "b"), ("0", "1"), WNIDS[:2], (3, 4))
    changed = [
        replace(base, names=("a", "c")),
        replace(base, folders=("1", "0")),
        replace(base, wnids=None),
        replace(base, teacher_indices=(4, 3)),
        ClassRegistry(("b", "a"), ("1", "0"), WNIDS[1::-1], (4, 3)),
    ]
    digests = {registry.digest for registry in (base, *changed)}
    assert len(digests) == 6
    assert base.digest == replace(base).digest
    assert re.fullmatch("[0-9a-f]{64}", base.digest)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassRegistry(("a", "b"), ("a",)), "Expected 2 folders, one per class, found 1"),
        (lambda: ClassRegistry(("a",), ("a",), WNIDS), "Expected 1 wnids, one per class, found 3"),
        (lambda: ClassRegistry(("a",), ("a",), None, ()), "Expected 1 teacher indices"),
        (lambda: ClassRegistry((), ()), "at least one class"),
        (lambda: _names("a", ""), "a name for each"),
        (lambda: _names("a", "b", "a"), "every class once, found 'a'"),
        (lambda: ClassRegistry(("a", "b"), ("x", "x")), "every folder once, found 'x'"),
        (lambda: ClassRegistry(("a", "b"), ("a", "b"), WNIDS[:1] * 2), "every wnid once, found 'n01440764'"),
        (lambda: ClassRegistry(("a",), ("a",), ("n1",)), "wnids of the form n01440764.*found 'n1'"),
        (lambda: ClassRegistry(("a", "b"), ("a", "b"), None, (1, 1)), "every teacher index once, found 1"),
        (lambda: ClassRegistry(("a",), ("a",), None, (-1,)), "from 0 on, found -1"),
    ],
)
def test_registry_refuses_classes_that_cannot_be_told_apart(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ClassListError, match=message):
        make()


def test_registries_are_matched_by_wnid_else_by_plain_name() -> None:
    assert ClassRegistry(("a", "b"), ("0", "1"), WNIDS[:2]).keys == WNIDS[:2]
    ours, theirs = _names("aquarium_fish", "T-shirt"), _names("Aquarium Fish", "t shirt")
    assert ours.keys == theirs.keys == ("aquarium fish", "t shirt")
    assert _names("T-shirt", "aquarium_fish").keys != ours.keys
    assert _names("cafe\u0301").keys == _names("caf\u00e9").keys
    assert resolve_classes(["n01440764"], None).keys == _names("n01440764").keys
