from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.classes import ClassRegistry, read_class_list, registry_from_entries, resolve_classes
from semdd_lightning.classes.folders import choose_by_wnid
from semdd_lightning.errors import ClassListError

ANIMALS = ("tench", "English springer", "cassette player")
WNIDS = ("n01440764", "n02102040", "n02979186")


def _names(*names: str) -> ClassRegistry:
    return ClassRegistry(names, names)


# Without a class list


def test_numbered_folders_count_in_numeric_order() -> None:
    registry = resolve_classes([str(i) for i in range(12)], None)
    assert registry.folders == tuple(str(i) for i in range(12))


def test_other_folders_count_in_sorted_order() -> None:
    registry = resolve_classes(["new1", "b", "10"], None)
    assert registry.names == registry.folders == ("10", "b", "new1")
    assert registry.wnids is None


def test_wnid_folders_fill_in_wnids() -> None:
    registry = resolve_classes(WNIDS[::-1], None)
    assert registry.names == registry.folders == registry.wnids == WNIDS


@pytest.mark.parametrize("prefix", ["new", "class_", "class", "cifar10_", "class "])
def test_folders_of_one_prefix_count_in_numeric_order(prefix: str) -> None:
    folders = tuple(f"{prefix}{i}" for i in range(12))
    registry = resolve_classes(sorted(folders), None)
    assert registry.names == registry.folders == folders
    assert registry.wnids is None


def test_folders_of_several_prefixes_count_by_name() -> None:
    folders = ["fold2", "fold10", "run1"]
    assert resolve_classes(folders, None).folders == ("fold10", "fold2", "run1")
    assert resolve_classes(["fold10", "fold2"], None).folders == ("fold2", "fold10")


def test_two_folders_of_one_number() -> None:
    with pytest.raises(ClassListError, match="'new001' and 'new1' for class 1"):
        resolve_classes(["new0", "new1", "new001"], None)
    with pytest.raises(ClassListError, match="folders 'new001' and 'new1' both mean class 'dog'"):
        resolve_classes(["new0", "new1", "new001"], _names("cat", "dog", "eel"))
    with pytest.raises(ClassListError, match="'01' and '1' for class 1"):
        resolve_classes(["0", "1", "01"], None)
    with pytest.raises(ClassListError, match="folders '01' and '1' both mean class 'dog'"):
        resolve_classes(["0", "1", "01"], _names("cat", "dog", "eel"))


@given(
    st.sets(st.integers(0, 10**6), min_size=1, max_size=30),
    st.sampled_from(["", "new", "class_"]),
    st.data(),
)
def test_padding_and_listing_order_change_no_class(
    numbers: set[int], prefix: str, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(numbers)))
    padded = {number: f"{prefix}{number:0{data.draw(st.integers(0, 9))}d}" for number in order}
    registry = resolve_classes([padded[number] for number in order], None)
    assert registry.folders == tuple(padded[number] for number in sorted(numbers))


# With a class list


def test_a_name_may_stand_twice_where_wnids_or_folders_differ() -> None:
    by_wnid = registry_from_entries(["n03773504 missile", "n04008634 missile"], "list")
    assert resolve_classes(["n04008634", "n03773504"], by_wnid).folders == ("n03773504", "n04008634")
    assert resolve_classes(["1", "0"], by_wnid).folders == ("0", "1")
    assert len(ClassRegistry(("missile", "missile"), ("a", "b"))) == 2
    with pytest.raises(ClassListError, match="folders that are no class"):
        resolve_classes(["missile", "missile_2"], by_wnid)


@pytest.mark.parametrize(
    "folders",
    [
        ("Tench", "english_springer", "Cassette-Player"),
        WNIDS,
        ("0", "1", "2"),
        ("1", "2", "3"),
        ("00000", "00001", "00002"),
        ("01", "2", "003"),
        ("new000", "new001", "new002"),
        ("class_1", "class_2", "class_3"),
        ("class00000", "class00001", "class00002"),
    ],
)
@given(data=st.data())
def test_each_naming_is_understood_in_any_listing_order(
    folders: tuple[str, ...], data: st.DataObject
) -> None:
    classes = ClassRegistry(ANIMALS, ANIMALS, WNIDS, (0, 217, 482))
    registry = resolve_classes(data.draw(st.permutations(folders)), classes)
    assert registry == ClassRegistry(ANIMALS, folders, WNIDS, (0, 217, 482))


def test_decomposed_accents_are_the_same_name() -> None:
    assert resolve_classes(["cafe\u0301"], _names("caf\u00e9")).folders == ("cafe\u0301",)


def test_class_order_is_that_of_the_list_not_of_the_folders() -> None:
    assert resolve_classes(["a", "b", "c"], _names("c", "a", "b")).folders == ("c", "a", "b")


def test_readings_that_differ_are_shown_and_a_folder_column_settles_them(tmp_path: Path) -> None:
    lexicographic = ("0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9")
    with pytest.raises(ClassListError, match="found 2 that differ") as error:
        resolve_classes(lexicographic, _names(*lexicographic))
    assert "by class name: '10' -> '10', '2' -> '2'" in str(error.value)
    assert "by class index from 0: '2' -> '10', '3' -> '2'" in str(error.value)
    assert "`folder` column in a .csv class list" in str(error.value)
    text = "name,folder\n" + "".join(f"{name},{name}\n" for name in lexicographic)
    (tmp_path / "classes.csv").write_text(text)
    settled = resolve_classes(lexicographic, read_class_list(tmp_path / "classes.csv"))
    assert settled.folders == lexicographic


def test_names_that_end_in_a_number_are_read_in_one_way_only() -> None:
    names = ("bike 1", "bike 2", "bike 10")
    assert resolve_classes(["bike_10", "bike_1", "bike_2"], _names(*names)).folders == (
        "bike_1",
        "bike_2",
        "bike_10",
    )
    with pytest.raises(ClassListError, match="by class index from 0 after the prefix 'bike '") as error:
        resolve_classes(["bike 0", "bike 1"], _names("bike 1", "bike 0"))
    assert "by class name: 'bike 1' -> 'bike 1'" in str(error.value)


def test_readings_that_agree_are_no_ambiguity() -> None:
    assert resolve_classes(["2", "1"], _names("1", "2")).folders == ("1", "2")
    assert resolve_classes(WNIDS[::-1], ClassRegistry(WNIDS, WNIDS, WNIDS)).folders == WNIDS


def test_explicit_folders_win_and_are_not_second_guessed() -> None:
    classes = ClassRegistry(("a", "b"), ("1", "0"))
    assert resolve_classes(["0", "1"], classes).folders == ("1", "0")
    with pytest.raises(ClassListError, match=r"classes without a folder: '1', '0'.* no class: 'a', 'b'"):
        resolve_classes(["a", "b"], classes)
    assert resolve_classes(["a", "b"], classes.without_folders()).folders == ("a", "b")


def test_a_resolved_registry_resolves_to_itself() -> None:
    resolved = resolve_classes(["0", "1", "2"], _names("2", "zero", "one"))
    assert resolve_classes(["2", "0", "1"], resolved) == resolved


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["tench", "cat"], "for each of the 3 classes .*found 2 folders .*closest by class name"),
        (["tench", "cat"], "without a folder: 'English springer', 'cassette player'; .*no class: 'cat'"),
        (["2", "3"], "closest by class index from 1, with classes without a folder: 'tench'"),
        (["0", "1", "2", "3"], "closest by class index from 0, with folders that are no class: '3'"),
        (["tench", "Tench", "cassette player"], "folders 'Tench' and 'tench' both mean class 'tench'"),
        (["p", "q", "r", "s", "t"], "no class: 'p', 'q', 'r' and 2 more"),
        (
            ["new0", "new1", "new2", "logs"],
            "closest by class index from 0 after the prefix 'new', with folders that are no class: 'logs'",
        ),
        (
            ["new0", "new1", "new2", "old3"],
            "closest by class index from 0 after the prefix 'new', with folders that are no class: 'old3'",
        ),
        ([], "found 0 folders"),
    ],
)
def test_folders_that_do_not_fit(folders: list[str], message: str) -> None:
    with pytest.raises(ClassListError, match=message):
        resolve_classes(folders, _names(*ANIMALS))


def test_no_folders_and_no_list() -> None:
    with pytest.raises(ClassListError, match="at least one class"):
        resolve_classes([], None)


def test_explicit_folders_choose_among_wnids_where_they_are_wnids() -> None:
    names, swapped = ("a", "b", "c"), (WNIDS[1], WNIDS[0], WNIDS[2])
    assert choose_by_wnid(WNIDS, ClassRegistry(names, swapped, WNIDS)).folders == swapped
    assert choose_by_wnid(WNIDS, ClassRegistry(names, swapped)).folders == swapped
    assert choose_by_wnid(WNIDS, ClassRegistry(names, ("2", "1", "0"), WNIDS)).folders == WNIDS
    with pytest.raises(ClassListError, match="folders of all classes or of none, found 'tench' among them"):
        choose_by_wnid(WNIDS, ClassRegistry(names, (WNIDS[1], "tench", WNIDS[2]), WNIDS))
    with pytest.raises(ClassListError, match="found none for 'n99999999'"):
        choose_by_wnid(WNIDS, ClassRegistry(names, (*WNIDS[:2], "n99999999"), WNIDS))
