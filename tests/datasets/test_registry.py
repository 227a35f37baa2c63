from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.datasets import (
    DATASETS,
    dataset_of,
    dataset_table,
    find_classes,
    find_dataset,
    is_dataset_name,
)
from semdd_lightning.errors import ClassListError, ConfigError


def test_a_data_set_by_name() -> None:
    assert find_dataset("imagewoof") is DATASETS["imagewoof"]
    assert all(name == spec.name for name, spec in DATASETS.items())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagenete", r"found 'imagenete' \(close to imagenette"),
        (
            "CIFAR-10",
            r"found 'CIFAR-10' \(close to cifar10, cifar100\); take one of cifar10, cifar100, tiny_",
        ),
        ("mnist8m", r"found 'mnist8m'; take one of"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_dataset(name)


def test_classes_of_a_data_set_or_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10").mkdir()  # a pool of that name is no class list
    assert find_classes(Path("cifar10")) == DATASETS["cifar10"].registry
    (tmp_path / "two.txt").write_text("cat\ndog\n")
    assert find_classes("two.txt") == ClassRegistry(("cat", "dog"), ("cat", "dog"))
    assert is_dataset_name("digits")
    assert not is_dataset_name(tmp_path / "digits")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            "imagenete",
            r"ends in \.txt or \.csv, or the name of a data set, found imagenete \(close to imagenette",
        ),
        ("here/cifar10", r"found here/cifar10 .*take one of cifar10"),
        ("none.txt", r"Expected a class list at none\.txt, found: No such file"),
        ("classes.json", r"Expected a class list that ends in \.txt or \.csv, found classes\.json"),
    ],
)
def test_neither_file_nor_data_set(classes: str, message: str) -> None:
    with pytest.raises(ClassListError, match=message):
        find_classes(classes)


def test_the_table_has_a_row_a_data_set_and_no_empty_cell() -> None:
    rows = dataset_table()
    assert [row["name"] for row in rows] == list(DATASETS)
    assert all(row.keys() == rows[0].keys() and all(row.values()) for row in rows)
    woof = {row["name"]: row for row in rows}["imagewoof_fastai"]
    assert (woof["training images"], woof["test images"], woof["on disk"]) == (
        "9,025",
        "3,929",
        "`imagewoof2/`",
    )
    assert "70 %" in woof["which"]


def test_a_data_set_is_known_by_its_classes_in_any_order() -> None:
    for name in ("cifar10", "cifar100", "imagewoof", "tiny_imagenet", "digits"):
        classes = find_classes(name)
        backwards = ClassRegistry(
            classes.names[::-1], classes.names[::-1], classes.wnids and classes.wnids[::-1]
        )
        assert dataset_of(backwards) == name
    cifar = find_classes("cifar10")
    assert dataset_of(ClassRegistry((*cifar.names[:9], "lorry"), (*cifar.names[:9], "lorry"))) is None
