from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.classes import ClassRegistry, read_class_list
from semdd_lightning.errors import ClassListError

ANIMALS = ("tench", "English springer", "cassette player")
WNIDS = ("n01440764", "n02102040", "n02979186")


def _names(*names: str) -> ClassRegistry:
    return ClassRegistry(names, names)


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "names", "wnids"),
    [
        ("tench\n\nEnglish springer\n", ANIMALS[:2], None),
        ("\ufeff# ten classes\ntench  # a fish\r\n C# \n", ("tench", "C#"), None),
        ("n01440764\nn02102040\n", WNIDS[:2], WNIDS[:2]),
        ("n01440764\ttench\nn02102040   English springer\n", ANIMALS[:2], WNIDS[:2]),
        ("n01440764 tench\nn02102040\n", ("tench", "n02102040"), WNIDS[:2]),
    ],
)
def test_text_lists(tmp_path: Path, text: str, names: tuple[str, ...], wnids: tuple[str, ...] | None) -> None:
    registry = read_class_list(_file(tmp_path, "classes.txt", text))
    assert (registry.names, registry.folders, registry.wnids) == (names, names, wnids)


def test_csv_with_all_columns(tmp_path: Path) -> None:
    text = 'name,folder,wnid,teacher_index\ntench,00,n01440764,0\n\n"springer, English",01,n02102040,217\n'
    registry = read_class_list(_file(tmp_path, "classes.csv", "\ufeff" + text))
    expected = ClassRegistry(("tench", "springer, English"), ("00", "01"), WNIDS[:2], (0, 217))
    assert registry == expected
    assert registry.has_explicit_folders


def test_csv_with_names_alone_leaves_the_rest_unknown(tmp_path: Path) -> None:
    registry = read_class_list(_file(tmp_path, "classes.CSV", "name,folder\ntench,\ncat,\n"))
    assert registry == _names("tench", "cat")
    assert not registry.has_explicit_folders


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("classes.json", "[]", "ends in .txt or .csv"),
        ("classes.txt", "# nothing\n\n", "classes.txt: Expected at least one class"),
        ("classes.csv", "name\n", "classes.csv: Expected at least one class"),
        ("classes.csv", "", r"Expected the columns name.*found \[\]"),
        ("classes.csv", "name,fold\na,b\n", r"Expected the columns .*found \['name', 'fold'\]"),
        ("classes.csv", "folder\na\n", "Expected the columns name"),
        ("classes.csv", "name,name\na,b\n", "Expected the columns name"),
        ("classes.csv", "name\nspringer, English\n", "Expected 1 cells in every row"),
        ("classes.csv", 'name\n"open\n', "to be a CSV file"),
        ("classes.csv", "name,teacher_index\na,1.5\nb,2\n", "whole numbers .* teacher_index .*found '1.5'"),
        ("classes.csv", "name,teacher_index\na,1\nb,\n", "teacher_index for every class .* found 1 of 2"),
        ("classes.csv", "name,wnid\na,tench\n", "wnids of the form n01440764"),
        ("classes.txt", "n01440764 tench\nspringer\n", "wnid for every class .* found 1 of 2"),
        ("classes.txt", "cat\ndog\ncat\n", "every class once, found 'cat'"),
        ("classes.txt", "n01440764 a\nn01440764 b\n", "every wnid once"),
    ],
)
def test_bad_class_lists(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ClassListError, match=message):
        read_class_list(_file(tmp_path, name, text))


def test_class_list_that_is_missing_a_folder_or_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(ClassListError, match=r"Expected a class list at .*No such file"):
        read_class_list(tmp_path / "none.txt")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(ClassListError, match=r"Expected a class list at .*directory"):
        read_class_list(tmp_path / "folder.txt")
    (tmp_path / "latin.txt").write_bytes("Tannenhäher".encode("latin-1"))
    with pytest.raises(ClassListError, match="in UTF-8"):
        read_class_list(tmp_path / "latin.txt")
