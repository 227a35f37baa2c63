"""Which folder on disk is which class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from semdd_lightning.classes.registry import (
    SHOWN,
    ClassRegistry,
    is_whole_number,
    is_wnid,
    nfc,
    plain_name,
    some_of,
)
from semdd_lightning.errors import ClassListError


def resolve_classes(folder_names: Sequence[str], classes: ClassRegistry | None) -> ClassRegistry:
    """Find out which folder is which class.

    Without a class list, folders that are all whole numbers count in numeric order, others by name. With
    one, folders are read by its explicit folders if it has them, else by class name (case, spaces,
    underscores and hyphens aside), by wnid, and by class index from 0 and from 1; the one reading that
    pairs every folder with a class of its own is taken.

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


def _resolve_without_list(folders: list[str]) -> ClassRegistry:
    if all(is_whole_number(folder) for folder in folders):
        by_number: dict[int, str] = {}
        for folder in folders:
            twin = by_number.setdefault(int(folder), folder)
            if twin != folder:
                msg = (
                    f"Expected one folder a class, found {twin!r} and {folder!r} for class {int(folder)}; "
                    "merge them or remove one."
                )
                raise ClassListError(msg)
        folders = [by_number[number] for number in sorted(by_number)]
    names = tuple(folders)
    wnids = names if all(is_wnid(name) for name in names) else None
    return ClassRegistry(names, names, wnids, folders_given=True)


def _readings(folders: list[str], classes: ClassRegistry) -> dict[str, dict[str, int]]:
    """For each way to read folder names, the class index of every folder that means a class that way."""
    count = len(classes)
    if classes.has_explicit_folders:
        return {"by the folder column": _read(folders, _index(classes.folders, nfc), nfc)}
    readings = {"by class name": _read(folders, _index(classes.names, plain_name), plain_name)}
    if classes.wnids is not None:
        readings["by wnid"] = _read(folders, _index(classes.wnids, str), str)
    for first in (0, 1):
        numbers = {str(first + index): index for index in range(count)}
        readings[f"by class index from {first}"] = _read(folders, numbers, _number)
    return readings


def _read(folders: list[str], lookup: dict[str, int], key: Callable[[str], str]) -> dict[str, int]:
    return {folder: lookup[key(folder)] for folder in folders if key(folder) in lookup}


def _index(values: Sequence[str], key: Callable[[str], str]) -> dict[str, int]:
    """Position of each value by its key; a key that stands twice means no class."""
    keys = [key(value) for value in values]
    counts = Counter(keys)
    return {key: index for index, key in enumerate(keys) if counts[key] == 1}


def _number(text: str) -> str:
    return str(int(text)) if is_whole_number(text) else ""


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
