"""Class lists: the classes in their order, out of a file or out of entries in a config."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from semdd_lightning.classes.registry import ClassRegistry, is_whole_number, is_wnid, some_of
from semdd_lightning.errors import ClassListError

_COLUMNS = ("name", "folder", "wnid", "teacher_index")


def read_class_list(path: Path) -> ClassRegistry:
    """Read the classes, in class order, from a text or CSV file.

    Args:
        path: A ``.txt`` file with one class per line (a name, a wnid, or a wnid and a name; ``#`` begins a
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
        entries: One entry per class, in class order.
        source: Where the entries come from, for messages.

    Raises:
        ClassListError: If there are none, only some have a wnid, or two are the same class.
    """
    parsed = [_split_entry(entry) for entry in entries]
    wnids = [wnid for wnid, _ in parsed]
    names = tuple(name for _, name in parsed)
    return _build(source, names, names, _all_or_none(source, "wnid", wnids), None)


def _registry_from_csv(text: str, path: Path) -> ClassRegistry:
    rows = _csv_rows(text, path)
    columns = {name: [row.get(name, "") for row in rows] for name in _COLUMNS}
    folders = tuple(folder or name for folder, name in zip(columns["folder"], columns["name"], strict=True))
    indices = _all_or_none(str(path), "teacher_index", columns["teacher_index"])
    bad = [index for index in indices or () if not is_whole_number(index)]
    if bad:
        msg = (
            f"Expected whole numbers from 0 on as teacher_index in {path}, found {some_of(bad)}; "
            "correct them."
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
    if not is_wnid(first):
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
