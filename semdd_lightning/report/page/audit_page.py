"""The page of an audit: what is wrong with a pool, to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semdd_lightning.names import shown
from semdd_lightning.pools import Pool
from semdd_lightning.report.page.parts import thumbnail_sheets, write_filled
from semdd_lightning.report.page.sections import folders_table

IN_FOLDER, BESIDE = 12, 6  # images of a faulty folder, and of the one that it resembles
STRAYS = FLAT = 12  # single images of a folder, and images that show nothing of the pool
PAIRS, UNUSABLE = 500, 200

Row = list[dict[str, Any]]
"""Images that stand side by side, each with what is said of it."""


@dataclass
class _Shown:
    """The images that the page shows, numbered in the order in which they are first asked for."""

    pool: Pool
    test: Pool | None
    rows: dict[int, int] = field(default_factory=dict)
    test_rows: dict[int, int] = field(default_factory=dict)

    def one(self, row: int, *words: str, of_test: bool = False) -> dict[str, Any]:
        rows = self.test_rows if of_test else self.rows
        number = rows.setdefault(int(row), len(rows))
        return {"image": (of_test, number), "words": words}

    def place(self, image: tuple[bool, int]) -> int:
        """Number among all images: those of the test set stand behind the pool's."""
        of_test, number = image
        return number + (len(self.rows) if of_test else 0)

    def paths(self) -> list[str]:
        of_test = [] if self.test is None else [self.test.paths[row] for row in self.test_rows]
        return [shown(path) for path in [*(self.pool.paths[row] for row in self.rows), *of_test]]


def write_audit_page(
    path: Path,
    record: Mapping[str, Any],
    pool: Pool,
    strays: Mapping[str, int],
    duplicates: pd.DataFrame,
    *,
    said: str,
    problem: str | None,
    made_by: str,
    test: Pool | None = None,
    leaked: pd.DataFrame | None = None,
) -> Path:
    """Write what an audit found as one page that needs no network.

    Args:
        path: the HTML file to write.
        record: what `audit_record` returns.
        pool: the pool.
        strays: class that single images look like, by path.
        duplicates: what `near_duplicates` found.
        said: the verdict in words.
        problem: why the pool is refused, if it is.
        made_by: command that audits it again.
        test: the test images, where they were looked for in the pool.
        leaked: what `leaked_images` found.

    Raises:
        DiskError: if it cannot be written.
    """
    images = _Shown(pool, test)
    flat = [images.one(pool.find(name)) for name in record["near_constant"][:FLAT]]
    parts: dict[str, list[tuple[str, list[Row]]]] = {
        "folders": list(_faulty_folders(record, images, strays)),
        "strays": list(_strays(images, strays)),
        "duplicates": _pairs(duplicates, images),
        "leaked": [] if leaked is None else _pairs(leaked, images, with_test=True),
        "flat": [(f"the first {len(flat)}", [[image] for image in flat])] if flat else [],
    }
    for image in (image for groups in parts.values() for _, rows in groups for row in rows for image in row):
        image["image"] = images.place(image["image"])
    sheets = thumbnail_sheets(
        (pool, list(images.rows)), *([] if test is None else [(test, list(images.test_rows))])
    )
    paths = images.paths()
    data = {
        "classes": [],
        "images": {"path": paths, "picture": list(range(len(paths)))},
        "parts": parts,
    }
    texts = {
        "title": escape(f"Audit of {shown(record['pool'])}"),
        "verdict": record["verdict"],
        "said": escape(said),
        "problem": ""
        if problem is None
        else f'<pre tabindex="0">{escape(shown(problem, keep=chr(10)))}</pre>',
        "orders": " ".join(map(_order, record["order"])),
        "count": f"{len(record['folders']):,}",
        "folders": folders_table(record["folders"]),
        "strays": _counted(len(strays), "image", f"up to {STRAYS} of each folder are shown"),
        "duplicates": _counted(len(duplicates), "pair", f"the {PAIRS} closest are shown"),
        "leaked": "Nobody looked: no test images were given."
        if leaked is None
        else _counted(len(leaked), "pair", f"the {PAIRS} closest are shown"),
        "flat": _counted(len(record["near_constant"]), "image", f"the first {FLAT} are shown"),
        "unusable": _unusable(record["unusable"]),
        "command": escape(made_by),
    }
    write_filled(path, "audit.html", ("pictures.js", "audit.js"), texts, data, sheets)
    return path


def _faulty_folders(
    record: Mapping[str, Any], images: _Shown, strays: Mapping[str, int]
) -> Iterable[tuple[str, list[Row]]]:
    """Images of every folder that is not as it should be, and of the one that it resembles."""
    pool = images.pool
    folders, names = list(pool.registry.folders), list(pool.registry.names)
    for folder in record["folders"]:
        if folder["verdict"] == "ok":
            continue
        own, other = folders.index(folder["folder"]), names.index(folder["suspected_class"])
        rows = np.flatnonzero(pool.labels == own)
        astray = [row for row in rows.tolist() if strays.get(pool.paths[row]) == other][:IN_FOLDER]
        title = (
            f"{folder['folder']} ({folder['class']}), {folder['verdict']}: "
            f"{folder['share']:.0%} like {folder['suspected_class']}"
        )
        found = dict.fromkeys([*astray, *_even(rows, IN_FOLDER)])
        yield shown(title), [[images.one(row)] for row in list(found)[:IN_FOLDER]]
        beside = [row for row in _even(np.flatnonzero(pool.labels == other), BESIDE) if other != own]
        if beside:
            title = f"for comparison: the folder of {folder['suspected_class']}"
            yield shown(title), [[images.one(row)] for row in beside]


def _strays(images: _Shown, strays: Mapping[str, int]) -> Iterable[tuple[str, list[Row]]]:
    pool = images.pool
    names = pool.registry.names
    by_folder: dict[int, list[Row]] = {}
    for path, other in strays.items():
        row = pool.find(path)
        of_folder = by_folder.setdefault(int(pool.labels[row]), [])
        if len(of_folder) < STRAYS:
            of_folder.append([images.one(row, f"looks like {shown(names[other])}")])
    for folder in sorted(by_folder):
        yield shown(f"in {pool.registry.folders[folder]} ({names[folder]})"), by_folder[folder]


def _pairs(table: pd.DataFrame, images: _Shown, *, with_test: bool = False) -> list[tuple[str, list[Row]]]:
    where = ("in the pool", "in the test set") if with_test else ()
    columns = (table[name][:PAIRS].tolist() for name in ("first", "second", "mirrored", "identical"))
    rows: list[Row] = []
    for first, second, mirrored, identical in zip(*columns, strict=True):
        how = "the same bytes" if identical else "mirrored" if mirrored else "nearly the same"
        one = images.one(first, *where[:1])
        rows.append([one, images.one(second, *where[1:], how, of_test=with_test)])
    return [("side by side, the closest first", rows)] if rows else []


def _even(rows: Sequence[int] | np.ndarray, count: int) -> list[int]:
    """So many of the rows, evenly spaced."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [int(rows[place]) for place in places]


def _order(order: Mapping[str, Any]) -> str:
    moved = (
        f"; {order['best_accuracy']:.1%} in another order, with {order['moved_folders']} folders moved"
        if order["moved_folders"]
        else ""
    )
    voters = escape(shown(" and ".join(order["voters"])))
    return f"By {voters}, {order['accuracy']:.1%} of the images look like the class of their folder{moved}."


def _counted(count: int, what: str, limit: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}; {limit}." if count else "None."


def _unusable(reasons: Mapping[str, str]) -> str:
    if not reasons:
        return "<p>None.</p>"
    lines = [
        f"<li>{escape(shown(f'{path}: {reason}'))}</li>" for path, reason in list(reasons.items())[:UNUSABLE]
    ]
    more = f"<p>And {len(reasons) - UNUSABLE:,} more.</p>" if len(reasons) > UNUSABLE else ""
    return f"<details><summary>{len(reasons):,} files</summary><ol>{''.join(lines)}</ol>{more}</details>"
