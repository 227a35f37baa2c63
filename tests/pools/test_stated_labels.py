from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry, resolve_classes
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.listing import class_paths
from semdd_lightning.pools.stated_labels import (
    StatedLabels,
    folder_names,
    labels_from_column,
    labels_from_numbers,
    numbered_names,
    numbers_or_texts,
)
from semdd_lightning.pools.strings import Strings

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Nd"]), max_size=5)


def _column(values: list[Any], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    """In two chunks, as of two files."""
    half = len(values) // 2
    kind = pa.array(values).type if kind is None else kind
    return pa.chunked_array([pa.array(values[:half], kind), pa.array(values[half:], kind)])


def _stated(labels: StatedLabels) -> list[str | None]:
    return [None if code < 0 else labels.names[code] for code in labels.codes.tolist()]


@given(st.lists(st.none() | st.integers(0, 300), min_size=1).filter(any))
def test_numbers_are_stated_in_numeric_order(values: list[int | None]) -> None:
    for kind in (pa.int16(), pa.int64(), pa.float32(), pa.float64()):
        labels = labels_from_column(_column(values, kind), "f")
        assert labels.numbered
        assert _stated(labels) == [None if value is None else str(value) for value in values]
        assert labels.names == tuple(map(str, sorted({value for value in values if value is not None})))


def _trimmed(text: str | None) -> str | None:
    return (text or "").strip() or None


@given(st.lists(st.none() | TEXTS, min_size=1).filter(lambda values: any(map(_trimmed, values))))
def test_texts_are_stated_as_they_are(values: list[str | None]) -> None:
    for kind in (pa.string(), pa.large_string()):
        labels = labels_from_column(_column(values, kind), "f")
        assert not labels.numbered
        assert _stated(labels) == [_trimmed(value) for value in values]
        assert len(labels.names) == len(set(labels.names))


@given(st.lists(st.integers(-1, 2), min_size=1).filter(lambda values: max(values) >= 0))
def test_named_numbers_keep_the_order_of_the_names(values: list[int]) -> None:
    labels = labels_from_column(_column(values), "f", ("cat", "ant", "bee"))
    assert labels.names == ("cat", "ant", "bee")
    assert labels.codes.tolist() == values


@pytest.mark.parametrize(
    ("values", "class_names", "message"),
    [
        ([0, -1], None, "labels from 0 on in f, found -1"),
        ([0, -2], ("a",), "labels from 0 to 0 in f, found -2"),
        ([0, 1], ("a",), "labels from 0 to 0 in f, found 1"),
        ([0, 0.25], None, "whole numbers as labels in f, found 0.25"),
        ([0, float("inf")], None, "whole numbers as labels in f, found inf"),
        ([[1], [2]], None, "found values of type list"),
        ([None, None], None, "Expected labels in f, found none in 2 rows"),
        (["", None], None, "Expected labels in f, found none in 2 rows"),
    ],
)
def test_columns_that_are_no_labels(
    values: list[Any], class_names: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(PoolError, match=message):
        labels_from_column(_column(values), "f", class_names)


@pytest.mark.parametrize("values", [np.array([0.0, np.nan]), np.array([1e300]), np.array([2**63], np.uint64)])
def test_numbers_that_are_no_labels(values: NDArray[np.number]) -> None:
    with pytest.raises(PoolError, match=r"labels .*in f, found"):
        labels_from_numbers(values, "f")


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["1", "01", "10"], ("01", "1", "10")),
        (["1e3", "1000"], ("1000", "1e3")),
        (["true", "false"], ("false", "true")),
        (["2020-01-01", "2020-1-1"], ("2020-1-1", "2020-01-01")),
        (["001", "010"], ("001", "010")),
        (["1.0", "1"], ("1", "1.0")),
        (["1" * 5000, "2"], ("1" * 5000, "2")),
    ],
)
def test_texts_that_look_like_one_number_are_different_labels(
    texts: list[str], names: tuple[str, ...]
) -> None:
    labels = labels_from_column(numbers_or_texts(_column(texts)), "f")
    assert sorted(labels.names) == sorted(names)
    assert [labels.names[code] for code in labels.codes] == texts
    folders = labels.registry(None).folders
    assert ClassRegistry(folders, folders) is not None  # all different
    assert resolve_classes(folders, None).folders == folders


def test_texts_that_are_all_whole_numbers_are_class_indices() -> None:
    labels = labels_from_column(numbers_or_texts(_column(["10", "", "2", "0"])), "f")
    assert (labels.numbered, labels.names, labels.codes.tolist()) == (True, ("0", "2", "10"), [2, -1, 1, 0])
    with pytest.raises(PoolError, match="labels from 0 on in f, found -1"):
        labels_from_column(numbers_or_texts(_column(["-1", "2"])), "f")


def test_names_that_are_numbers_are_matched_as_names() -> None:
    listed = ClassRegistry(("7", "3"), ("7", "3"))
    assert labels_from_column(_column([3, 7, 3]), "f").registry(listed).folders == ("7", "3")
    assert labels_from_column(_column([True, False]), "f").registry(None).names == ("false", "true")


def test_text_labels_without_a_list_are_ordered_as_class_folders_are() -> None:
    labels = labels_from_column(_column(["class10", "class9", "class1"]), "f")
    assert labels.registry(None).names == ("class1", "class9", "class10")


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".git", "a/b", "a\\b", " a", "a ", "a\nb", "a\0", "a" * 201, "é" * 101]
)
def test_names_that_are_no_folders(name: str) -> None:
    assert folder_names(("dog", name)) == ("0", "1")


def test_names_that_some_file_systems_take_for_one() -> None:
    assert folder_names(("dog", "Dog")) == ("0", "1")
    assert folder_names(("dog", "Cat")) == ("dog", "Cat")


@given(st.lists(TEXTS, unique=True, max_size=6))
def test_folders_are_distinct_and_safe(names: list[str]) -> None:
    folders = folder_names(tuple(names))
    assert len({folder.casefold() for folder in folders}) == len(names)
    assert not any("/" in folder or folder in ("", ".", "..") for folder in folders)


@given(st.integers(1, 2_000), st.sampled_from([".png", Strings([".jpg"])]))
def test_numbered_names_sort_as_numbers(count: int, suffix: str | Strings) -> None:
    suffix = suffix if isinstance(suffix, str) else Strings([".jpg"] * count)
    names = list(numbered_names("f", count, suffix))
    assert names == sorted(names)
    assert [int(name[2:-4]) for name in names] == list(range(count))
    registry = ClassRegistry(("x", "y"), ("0", "1"))
    assert list(class_paths(registry, np.arange(count) % 2, Strings(names))) == [
        f"{row % 2}/{name}" for row, name in enumerate(names)
    ]
