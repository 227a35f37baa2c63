from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.pools.tars.labels import LabelFinder, label_text


@given(st.integers(0, 10**6), st.integers(0, 4))
def test_padding_and_type_change_no_number(number: int, padding: int) -> None:
    padded = f"{'0' * padding}{number}"
    assert [label_text(value) for value in (number, float(number))] == [str(number)] * 2
    assert LabelFinder(None, None).read("cls", f" {padded}\n".encode()) == str(number)
    record = json.dumps({"label": padded}).encode()
    assert LabelFinder(None, None).read("json", record) == padded  # a text is a text


@pytest.mark.parametrize("value", [None, True, 1.5, float("nan"), [3], {"id": 3}, "", " \n"])
def test_what_is_no_label(value: object) -> None:
    assert label_text(value) == ""


def test_long_digits_stay_a_name() -> None:
    assert label_text("1" * 5000) == "1" * 5000


def test_cls_members_win_and_json_is_not_read_after_them() -> None:
    finder = LabelFinder(None, None)
    assert (finder.wants("cls"), finder.wants("json"), finder.wants("txt")) == (True, True, False)
    assert finder.read("cls", b"7") == "7"
    assert (finder.wants("cls"), finder.wants("json")) == (True, False)


def test_only_what_was_asked_for_is_read() -> None:
    assert not LabelFinder("folder", None).wants("cls")
    finder = LabelFinder("txt", None)
    assert (finder.wants("txt"), finder.wants("cls")) == (True, False)
    assert finder.read("txt", "n01440764 \r\n".encode("utf-8-sig")) == "n01440764"


def test_the_first_usual_key_is_kept() -> None:
    finder = LabelFinder(None, None)
    assert finder.read("json", b'{"caption": "a tench", "class_name": "tench"}') == "tench"
    assert finder.read("json", b'{"label": 3, "class_name": "springer"}') == "springer"
    assert finder.read("json", b'{"label": 3}') == ""


def test_a_key_that_is_asked_for() -> None:
    finder = LabelFinder("json", "fine")
    assert finder.read("json", json.dumps({"label": 1, "fine": 50}).encode()) == "50"
    assert finder.read("json", json.dumps({"label": 1}).encode()) == ""


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1]", b"3", b"[" * 100_000, b'{"label": null}']
)
def test_json_without_a_label(content: bytes) -> None:
    assert LabelFinder(None, None).read("json", content) == ""


def test_bytes_that_are_no_text() -> None:
    assert LabelFinder(None, None).read("cls", b"\x80\x04K\x03.") == ""
