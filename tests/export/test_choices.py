"""``choices.csv`` as it is read: exact names, and every line that cannot be understood is named."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.errors import ChoicesError
from semdd_lightning.export import Choices, ChoicesRecord, read_choices
from semdd_lightning.names import cell, cell_path, path_cell, shown


@given(st.text(st.characters() | st.sampled_from("\\'=nx4\x1b"), max_size=12))
def test_a_path_survives_its_cell(path: str) -> None:
    text = path_cell(path)
    assert cell_path(text) == path
    assert shown(text) == text
    assert cell(text) == text, "no spreadsheet takes it for a formula"


@given(
    st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["strike", "pin"])))
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    rows = list(dict(rows).items())
    file = tmp_path_factory.getbasetemp() / "choices.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "choice"])
        writer.writerows((path_cell(path), choice) for path, choice in rows)
    found = read_choices(file)
    assert [(decision.path, decision.choice) for decision in found.decisions] == rows
    record = ChoicesRecord(
        found.digest,
        tuple(path for path, choice in rows if choice == "strike"),
        tuple(path for path, choice in rows if choice == "pin"),
    )
    again = Choices.recorded(record)
    assert {(d.path, d.choice) for d in again.decisions} == set(rows)
    assert again.digest == found.digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1 of .*choices.csv to hold the columns path and choice, found nothing"),
        (b"path,verdict\na.png,pin\n", "line 1 of .* found path, verdict"),
        (b"path,choice,path\n", "line 1 of"),
        (
            b"path,choice\na.png,pin\nb.png,keep\n",
            "line 3 of .* to hold strike or pin as choice, found 'keep'",
        ),
        (b"path,choice\n\na.png\n", "line 3 of .* to hold 2 cells, found 1"),
        (b"path,choice\na.png,pin,\n", "line 2 of .* to hold 2 cells, found 3"),
        (b'path,choice\n"a"b.png,pin\n', "line 2 of .* to hold CSV"),
        (b'path,choice\n"a.png,pin\n', "line 2 of .* to hold CSV"),
        (b"path,choice\na.png,pin\n\xff.png,pin\n", "line 3 of .* in UTF-8"),
        (b"path,choice\na.png,pin\na.png,strike\n", "found pin in line 2 of .* and strike in line 3 of"),
        (b"path,choice\n\"a\nb.png\",pin\n'=x,pin\n'=x,strike\n=x,strike\n", "pin in line 4 of .* line 5 of"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "choices.csv").write_bytes(content)
    with pytest.raises(ChoicesError, match=f"Expected .*{message}"):
        read_choices(tmp_path / "choices.csv")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ChoicesError, match="No such file"):
        read_choices(tmp_path / "none.csv")
    with pytest.raises(ChoicesError, match="directory"):
        read_choices(tmp_path)


def test_spreadsheets_may_add_columns_a_mark_and_say_things_twice(tmp_path: Path) -> None:
    file = tmp_path / "choices.csv"
    file.write_bytes(
        b"\xef\xbb\xbfnote,choice,path\r\nblurred,strike,a.png\r\n\r\n,strike,a.png\r\nnice, pin,b.png"
    )
    found = [(decision.path, decision.choice) for decision in read_choices(file).decisions]
    assert found == [("a.png", "strike"), ("b.png", "pin")]
