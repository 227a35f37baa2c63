from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.pools.strings import Strings

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=20).map(tuple)
ROWS = st.slices(20)


@given(TEXTS)
def test_it_is_the_tuple(texts: tuple[str, ...]) -> None:
    column = Strings(texts)
    assert len(column) == len(texts)
    assert tuple(column) == texts
    assert tuple(column[i] for i in range(len(texts))) == texts
    assert tuple(column[i - len(texts)] for i in range(len(texts))) == texts
    assert column == texts
    assert column == list(texts)
    assert column == Strings(list(texts))
    assert (column == (*texts, "one more")) is False
    assert all(text in column and column.index(text) == texts.index(text) for text in texts)
    assert pickle.loads(pickle.dumps(column)) == texts  # noqa: S301 - pickled in the line


@given(TEXTS, ROWS)
def test_slices_are_those_of_the_tuple(texts: tuple[str, ...], rows: slice) -> None:
    part = Strings(texts)[rows]
    assert isinstance(part, Strings)
    assert part == texts[rows]
    assert tuple(part) == texts[rows]


@given(TEXTS)
def test_the_order_is_pythons(texts: tuple[str, ...]) -> None:
    column = Strings(texts)
    assert column.take(column.order()) == sorted(texts)


@given(TEXTS, TEXTS)
def test_positions_are_those_of_index(texts: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    found = Strings(texts).positions(Strings(wanted)).tolist()
    assert found == [texts.index(text) if text in texts else -1 for text in wanted]


@given(TEXTS, st.lists(st.integers(0, 19), max_size=30))
def test_rows_are_taken_in_the_order_asked_for(texts: tuple[str, ...], rows: list[int]) -> None:
    rows = [row for row in rows if row < len(texts)]
    assert Strings(texts).take(np.array(rows, dtype=np.int64)) == [texts[row] for row in rows]


def test_out_of_range() -> None:
    for index in (2, -3):
        with pytest.raises(IndexError, match="out of"):
            Strings(["a", "b"])[index]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "bc"]),
        pa.array(["a", "bc"], pa.large_string()),
        pa.array(["x", "a", "bc"])[1:],
        pa.chunked_array([["a"], [], ["bc"]]),
        pa.array(["a", "bc"]).dictionary_encode(),
    ],
)
def test_any_arrow_column_of_text(column: pa.Array) -> None:
    assert Strings(column) == ("a", "bc")
    assert pickle.loads(pickle.dumps(Strings(column))) == ("a", "bc")  # noqa: S301 - pickled in the line


def test_it_shows_its_first_texts() -> None:
    assert repr(Strings(["a", "b"])) == "Strings('a', 'b')"
    assert repr(Strings("abcd")) == "Strings('a', 'b', 'c', ... 4 in all)"


def test_it_is_not_hashable() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Strings())
