"""Which folder on disk is which class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from semdd_lightning.classes.registry import (
    SHOWN,
    ClassRegistry,
    is_wnid,
    nfc,
    plain_name,
    some_of,
)
from semdd_lightning.errors import ClassListError

Key = TypeVar("Key", bound=Hashable)
_MOST_DIGITS = 300  # a label may have more, and is a name then


def resolve_classes(folder_names: Sequence[str], classes: ClassRegistry | None) -> ClassRegistry:
    """Find out which folder is which class.

    Without a class list, folders that are all whole numbers, or all one prefix and a number (``new007``),
    count in numeric order, others by name. With one, folders are read by its explicit folders if it has
    them, else by class name (case, spaces, underscores and hyphens aside), by wnid, and by class index from
    0 and from 1, with and without the prefix that most of them share; the one reading that pairs every
    folder with a class of its own is taken.

    Args:
        folder_names: Names of the class folders, in any order.
        classes: The class list, if there is one.

    Raises:
        ClassListError: If no reading fits, or several fit and disagree.
    """
    folders = sorted(folder_names)
    if classes is None:
        return _resolve_without_list(folders)
    readings = _readings(folders, classes)
    fitting: dict[tuple[str, ...], list[str]] = {}
    for label, reading in readings.items():
        if len(reading) == len(folders) == len(classes) == len(set(reading.values())):
            in_class_order = tuple(sorted(reading, key=reading.__getitem__))
            fitting.setdefault(in_class_order, []).append(label)
    if not fitting:
        raise ClassListError(_misfit(folders, classes, readings))
    if len(fitting) > 1:
        raise ClassListError(_ambiguity(fitting, classes))
    return replace(classes, folders=next(iter(fitting)), folders_given=True)


def choose_by_wnid(wnids: Sequence[str], classes: ClassRegistry) -> ClassRegistry:
    """The classes of a list out of a larger data set whose folders are wnids; the other folders are left out.

    Explicit folders that are wnids win over the wnids of the classes; others are those of another pool.

    >>> some = ClassRegistry(("springer", "tench"), ("springer", "tench"), ("n02102040", "n01440764"))
    >>> choose_by_wnid(["n01440764", "n02102040", "n02979186"], some).folders
    ('n02102040', 'n01440764')

    Args:
        wnids: The wnids of the data set.
        classes: The class list.

    Raises:
        ClassListError: If the list has no wnids, only some folders are wnids, or the data set lacks one.
    """
    folders = _wnid_folders(classes)
    there = set(wnids)
    lacking = [folder for folder in folders if folder not in there]
    if lacking:
        msg = (
            f"Expected the {len(classes)} classes of the class list among the {len(wnids)} of the data set, "
            f"found none for {some_of(lacking)}; correct the class list or the path."
        )
        raise ClassListError(msg)
    return replace(classes, folders=folders, folders_given=True)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of classes in their order: by number where all are one prefix and a number, else as texts.

    >>> in_order(["10", "2", "01"]), in_order(["b10", "b2"]), in_order(["a10", "b2"])
    (['01', '2', '10'], ['b2', 'b10'], ['a10', 'b2'])
    """
    ordered = sorted(names)
    numbered = [name for name in map(numbered_name, ordered) if name is not None]
    if len(numbered) < len(ordered) or len({prefix for prefix, _ in numbered}) != 1:
        return ordered
    return [name for _, name in sorted(zip(numbered, ordered, strict=True))]


def numbered_name(name: str) -> tuple[str, int] | None:
    """A name that ends in a number as its prefix, which may be empty, and the number.

    >>> numbered_name("new007"), numbered_name("12"), numbered_name("tench")
    (('new', 7), ('', 12), None)
    """
    prefix = name.rstrip("0123456789")
    digits = name[len(prefix) :]
    return (prefix, int(digits)) if 0 < len(digits) <= _MOST_DIGITS else None


def _wnid_folders(classes: ClassRegistry) -> tuple[str, ...]:
    if classes.has_explicit_folders:
        others = [folder for folder in classes.folders if not is_wnid(folder)]
        if not others:
            return classes.folders
        if len(others) < len(classes):
            msg = (
                f"Expected wnids as the folders of all classes or of none, found {some_of(others)} among "
                "them; correct the `folder` column of the class list."
            )
            raise ClassListError(msg)
    if classes.wnids is None:
        msg = (
            f"Expected a class list with wnids to choose folders by, found names alone, as "
            f"{some_of(classes.names)}; write `wnid name` for each class."
        )
        raise ClassListError(msg)
    return classes.wnids


def _resolve_without_list(folders: list[str]) -> ClassRegistry:
    if all(is_wnid(folder) for folder in folders):
        return ClassRegistry(tuple(folders), tuple(folders), tuple(folders), folders_given=True)
    ordered = in_order(folders)
    for folder, twin in pairwise(ordered):
        number = numbered_name(folder)
        if number is not None and number == numbered_name(twin):
            msg = (
                f"Expected one folder per class, found {folder!r} and {twin!r} for class {number[1]}; "
                "merge them or remove one."
            )
            raise ClassListError(msg)
    return ClassRegistry(tuple(ordered), tuple(ordered), folders_given=True)


def _readings(folders: list[str], classes: ClassRegistry) -> dict[str, dict[str, int]]:
    """For each way to read folder names, the class index of every folder that means a class that way."""
    count = len(classes)
    if classes.has_explicit_folders:
        return {"by the folder column": _read(folders, _index(classes.folders, nfc), nfc)}
    readings = {"by class name": _read(folders, _index(classes.names, plain_name), plain_name)}
    if classes.wnids is not None:
        readings["by wnid"] = _read(folders, _index(classes.wnids, str), str)
    for prefix in dict.fromkeys(("", _common_prefix(folders))):
        after = f" after the prefix {prefix!r}" if prefix else ""
        for first in (0, 1):
            numbers = {(prefix, first + index): index for index in range(count)}
            readings[f"by class index from {first}{after}"] = _read(folders, numbers, numbered_name)
    return readings


def _common_prefix(folders: list[str]) -> str:
    """What most of the folders that end in a number begin with; wnids are no numbers."""
    named = [numbered_name(folder) for folder in folders if not is_wnid(folder)]
    prefixes = Counter(name[0] for name in named if name is not None)
    return max(prefixes, key=prefixes.__getitem__, default="")


def _read(folders: list[str], lookup: dict[Key, int], key: Callable[[str], Key | None]) -> dict[str, int]:
    found = ((folder, key(folder)) for folder in folders)
    return {folder: lookup[name] for folder, name in found if name is not None and name in lookup}


def _index(values: Sequence[str], key: Callable[[str], str]) -> dict[str, int]:
    """Position of each value by its key; a key that stands twice means no class."""
    keys = [key(value) for value in values]
    counts = Counter(keys)
    return {key: index for index, key in enumerate(keys) if counts[key] == 1}


def _ambiguity(fitting: dict[tuple[str, ...], list[str]], classes: ClassRegistry) -> str:
    lines = []
    orders = list(fitting)
    for order, labels in fitting.items():
        differing = [i for i in range(len(classes)) if len({other[i] for other in orders}) > 1]
        pairs = ", ".join(f"{order[i]!r} -> {classes.names[i]!r}" for i in differing[:SHOWN])
        lines.append(f"{' and '.join(labels)}: {pairs}")
    return (
        f"Expected one way to match the folders with the classes, found {len(lines)} that differ: "
        f"{'; '.join(lines)}. Settle it with a `folder` column in a .csv class list."
    )


def _misfit(folders: list[str], classes: ClassRegistry, readings: dict[str, dict[str, int]]) -> str:
    label, reading = max(readings.items(), key=lambda item: len(item[1]))  # the first of the best
    by_class: dict[int, list[str]] = {}
    for folder, index in reading.items():
        by_class.setdefault(index, []).append(folder)
    wanted = classes.folders if classes.has_explicit_folders else classes.names
    problems = {
        "classes without a folder": [wanted[i] for i in range(len(classes)) if i not in by_class],
        "folders that are no class": [folder for folder in folders if folder not in reading],
    }
    found = [f"{what}: {some_of(values)}" for what, values in problems.items() if values]
    for index, twins in by_class.items():
        if len(twins) > 1:
            found.append(f"folders {' and '.join(map(repr, twins))} both mean class {classes.names[index]!r}")
    return (
        f"Expected one folder for each of the {len(classes)} classes of the class list "
        f"({', '.join(readings)}), found {len(folders)} folders that do not fit; closest {label}, with "
        f"{'; '.join(found)}. Rename the folders, correct the class list, or state the folders in the "
        "`folder` column of a .csv class list."
    )
