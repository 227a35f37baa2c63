"""Which class is which: the one place where folder names, class lists and teacher heads meet."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from semdd_lightning.errors import ClassListError

_WNID = re.compile(r"n[0-9]{8}")
_COLUMNS = ("name", "folder", "wnid", "teacher_index")
_SHOWN = 3  # examples in an error message


@dataclass(frozen=True)
class ClassRegistry:
    """For every class its name, folder, wnid and teacher index; the position is the class index.

    Two classes may share a name (ImageNet has "missile" twice) where wnids or folders tell them apart.

    Args:
        names: Display names, used in prompts.
        folders: Folder names as they stand on disk; equal to `names` where unknown.
        wnids: WordNet ids (``n`` and eight digits), where known.
        teacher_indices: Row of each class in the head of a larger teacher, where known.
        folders_given: Whether `folders` was stated or found on disk and not just copied from `names`.

    Raises:
        ClassListError: If the fields differ in length, or a class cannot be told from another.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...]
    wnids: tuple[str, ...] | None = None
    teacher_indices: tuple[int, ...] | None = None
    folders_given: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for label, values in (
            ("folders", self.folders),
            ("wnids", self.wnids),
            ("teacher indices", self.teacher_indices),
        ):
            if values is not None and len(values) != len(self.names):
                msg = f"Expected {len(self.names)} {label}, one a class, found {len(values)}; complete them."
                raise ClassListError(msg)
        if not self.names or not all(self.names) or not all(self.folders):
            msg = "Expected at least one class and a name for each, found none or an empty one; fill it in."
            raise ClassListError(msg)
        self._refuse_bad_ids()
        if self.has_explicit_folders or self.wnids is None:
            _refuse_repeats("folder" if self.has_explicit_folders else "class", self.folders)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over names, folders, wnids and teacher indices, in class order."""
        fields = [self.names, self.folders, self.wnids, self.teacher_indices]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()

    @property
    def has_explicit_folders(self) -> bool:
        """Whether `folders` are known and win over every other reading of folder names."""
        return self.folders_given or self.folders != self.names

    def without_folders(self) -> ClassRegistry:
        """The same classes with their folders forgotten, to be resolved against another data set."""
        return replace(self, folders=self.names, folders_given=False)

    def _refuse_bad_ids(self) -> None:
        if self.wnids is not None:
            bad = [wnid for wnid in self.wnids if not _WNID.fullmatch(wnid)]
            if bad:
                msg = (
                    f"Expected wnids of the form n01440764 for all classes, found {_some(bad)}; correct them."
                )
                raise ClassListError(msg)
            _refuse_repeats("wnid", self.wnids)
        if self.teacher_indices is not None:
            negative = [index for index in self.teacher_indices if index < 0]
            if negative:
                msg = f"Expected teacher indices from 0 on, found {negative[0]}; correct the class list."
                raise ClassListError(msg)
            _refuse_repeats("teacher index", self.teacher_indices)


def read_class_list(path: Path) -> ClassRegistry:
    """Read the classes, in class order, from a text or CSV file.

    Args:
        path: A ``.txt`` file with one class a line (a name, a wnid, or a wnid and a name; ``#`` begins a
            comment), or a ``.csv`` file with the columns ``name[,folder,wnid,teacher_index]``.

    Raises:
        ClassListError: If the file is missing, empty, not UTF-8 or malformed.
    """
    if path.suffix.lower() not in (".txt", ".csv"):
        msg = f"Expected a class list that ends in .txt or .csv, found {path}; rename or convert it."
        raise ClassListError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"Expected a class list at {path}, found: {error.strerror}; correct the path."
        raise ClassListError(msg) from error
    except UnicodeDecodeError as error:
        msg = (
            f"Expected the class list {path} in UTF-8, found other bytes ({error.reason}); save it as UTF-8."
        )
        raise ClassListError(msg) from error
    if path.suffix.lower() == ".csv":
        return _registry_from_csv(text, path)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return registry_from_entries([line for line in lines if line], str(path))


def registry_from_entries(entries: Sequence[str], source: str) -> ClassRegistry:
    """Classes out of entries that are each a name, a wnid, or a wnid and a name.

    >>> registry_from_entries(["n01440764 tench", "n02102040"], "example").names
    ('tench', 'n02102040')

    Args:
        entries: One entry a class, in class order.
        source: Where the entries come from, for messages.

    Raises:
        ClassListError: If there are none, only some have a wnid, or two are the same class.
    """
    parsed = [_split_entry(entry) for entry in entries]
    wnids = [wnid for wnid, _ in parsed]
    names = tuple(name for _, name in parsed)
    return _build(source, names, names, _all_or_none(source, "wnid", wnids), None)


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
    if all(_is_integer(folder) for folder in folders):
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
    wnids = names if all(_WNID.fullmatch(name) for name in names) else None
    return ClassRegistry(names, names, wnids, folders_given=True)


def _readings(folders: list[str], classes: ClassRegistry) -> dict[str, dict[str, int]]:
    """For each way to read folder names, the class index of every folder that means a class that way."""
    count = len(classes)
    if classes.has_explicit_folders:
        return {"by the folder column": _read(folders, _index(classes.folders, _nfc), _nfc)}
    readings = {"by class name": _read(folders, _index(classes.names, _plain), _plain)}
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


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _plain(text: str) -> str:
    """A name without what folder names change about it: case, spaces, underscores, hyphens."""
    return re.sub(r"[\s_-]+", " ", _nfc(text).casefold()).strip()


def _number(text: str) -> str:
    return str(int(text)) if _is_integer(text) else ""


def _is_integer(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _ambiguity(fitting: dict[tuple[str, ...], list[str]], classes: ClassRegistry) -> str:
    lines = []
    orders = list(fitting)
    for order, labels in fitting.items():
        differing = [i for i in range(len(classes)) if len({other[i] for other in orders}) > 1]
        pairs = ", ".join(f"{order[i]!r} -> {classes.names[i]!r}" for i in differing[:_SHOWN])
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
    found = [f"{what}: {_some(values)}" for what, values in problems.items() if values]
    for index, twins in by_class.items():
        if len(twins) > 1:
            found.append(f"folders {' and '.join(map(repr, twins))} both mean class {classes.names[index]!r}")
    return (
        f"Expected one folder for each of the {len(classes)} classes of the class list "
        f"({', '.join(readings)}), found {len(folders)} folders that do not fit; closest {label}, with "
        f"{'; '.join(found)}. Rename the folders, correct the class list, or state the folders in the "
        "`folder` column of a .csv class list."
    )


def _registry_from_csv(text: str, path: Path) -> ClassRegistry:
    rows = _csv_rows(text, path)
    columns = {name: [row.get(name, "") for row in rows] for name in _COLUMNS}
    folders = tuple(folder or name for folder, name in zip(columns["folder"], columns["name"], strict=True))
    indices = _all_or_none(str(path), "teacher_index", columns["teacher_index"])
    bad = [index for index in indices or () if not _is_integer(index)]
    if bad:
        msg = (
            f"Expected whole numbers from 0 on as teacher_index in {path}, found {_some(bad)}; correct them."
        )
        raise ClassListError(msg)
    return _build(
        str(path),
        tuple(columns["name"]),
        folders,
        _all_or_none(str(path), "wnid", columns["wnid"]),
        None if indices is None else tuple(int(index) for index in indices),
        folders_given=any(columns["folder"]),
    )


def _csv_rows(text: str, path: Path) -> list[dict[str, str]]:
    """The rows of a CSV class list as column -> cell, blank rows left out."""
    try:
        table = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), strict=True)]
    except csv.Error as error:
        msg = f"Expected {path} to be a CSV file, found: {error}; correct it."
        raise ClassListError(msg) from error
    table = [row for row in table if any(row)]
    header = table[0] if table else []
    if "name" not in header or not set(header) <= set(_COLUMNS) or len(set(header)) != len(header):
        msg = (
            f"Expected the columns name[,folder,wnid,teacher_index] in {path}, found {header}; "
            "correct the first row."
        )
        raise ClassListError(msg)
    for row in table[1:]:
        if len(row) != len(header):
            msg = (
                f"Expected {len(header)} cells in every row of {path}, found {row}; "
                "quote cells that hold commas."
            )
            raise ClassListError(msg)
    return [dict(zip(header, row, strict=True)) for row in table[1:]]


def _split_entry(entry: str) -> tuple[str, str]:
    """Wnid (empty if there is none) and name of an entry; a bare wnid is its own name."""
    first, *rest = entry.split(maxsplit=1) or [""]
    if not _WNID.fullmatch(first):
        return "", entry.strip()
    return first, rest[0].strip() if rest else first


def _all_or_none(source: str, column: str, cells: Sequence[str]) -> tuple[str, ...] | None:
    filled = sum(bool(cell) for cell in cells)
    if 0 < filled < len(cells):
        msg = (
            f"Expected a {column} for every class of {source} or for none, found {filled} of {len(cells)}; "
            "complete or remove them."
        )
        raise ClassListError(msg)
    return tuple(cells) if filled else None


def _build(
    source: str,
    names: tuple[str, ...],
    folders: tuple[str, ...],
    wnids: tuple[str, ...] | None,
    teacher_indices: tuple[int, ...] | None,
    *,
    folders_given: bool = False,
) -> ClassRegistry:
    try:
        return ClassRegistry(names, folders, wnids, teacher_indices, folders_given)
    except ClassListError as error:
        msg = f"{source}: {error}"
        raise ClassListError(msg) from error


def _refuse_repeats(what: str, values: Sequence[object]) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        msg = (
            f"Expected every {what} once, found {_some(repeated)} more than once; remove the repetition, or "
            "tell classes of one name apart by wnid or folder."
        )
        raise ClassListError(msg)


def _some(values: Sequence[object]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(repr(value) for value in values[:_SHOWN]) + more
