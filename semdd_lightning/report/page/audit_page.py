"""The page of an audit: what is wrong with a pool, to be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semdd_lightning.names import shown
from semdd_lightning.pools import Pool
from semdd_lightning.report.page.parts import folders_table, html, write_filled

IN_FOLDER, BESIDE = 12, 6  # images of a faulty folder, and of the one that it resembles
STRAYS = FLAT = 12  # single images of a folder, and images that show nothing of the pool
PAIRS, UNUSABLE = 500, 200

Row = list[dict[str, Any]]
"""Images that stand side by side, each with what is said of it."""
Group = tuple[str, list[Row]]


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
    flat = [[_image(pool.find(name))] for name in record["near_constant"][:FLAT]]
    parts: dict[str, list[Group]] = {
        "folders": list(_faulty_folders(record, pool, strays)),
        "strays": list(_strays(pool, strays)),
        "duplicates": _pairs(duplicates),
        "leaked": [] if leaked is None else _pairs(leaked, with_test=True),
        "flat": [(f"the first {len(flat)}", flat)] if flat else [],
    }
    every = [image for groups in parts.values() for _, rows in groups for row in rows for image in row]
    order = sorted(dict.fromkeys(image["image"] for image in every), key=itemgetter(0))
    numbers = {place: number for number, place in enumerate(order)}  # those of the test set stand behind
    for image in every:
        image["image"] = numbers[image["image"]]
    pools = [pool] if test is None else [pool, test]
    shown_rows = [[row for of_test, row in order if of_test == place] for place in range(len(pools))]
    paths = [shown(one.paths[row]) for one, rows in zip(pools, shown_rows, strict=True) for row in rows]
    data = {
        "classes": [],
        "images": {"path": paths, "picture": list(range(len(paths)))},
        "parts": parts,
    }
    closest = f"the {PAIRS} closest are shown"
    lines = "" if problem is None else escape(shown(problem, keep="\n"))
    texts = {
        "title": f"Audit of {html(record['pool'])}",
        "verdict": record["verdict"],
        "said": escape(said),
        "problem": f'<pre tabindex="0">{lines}</pre>' if lines else "",
        "orders": " ".join(map(_order, record["order"])),
        "count": f"{len(record['folders']):,}",
        "folders": folders_table(record["folders"]),
        "strays": _counted(len(strays), "image", f"up to {STRAYS} of each folder are shown"),
        "duplicates": _counted(len(duplicates), "pair", closest),
        "leaked": "Nobody looked: no test images were given."
        if leaked is None
        else _counted(len(leaked), "pair", closest),
        "flat": _counted(len(record["near_constant"]), "image", f"the first {FLAT} are shown"),
        "unusable": _unusable(record["unusable"]),
        "command": escape(made_by),
    }
    scripts, thumbnails = ("pictures.js", "audit.js"), zip(pools, shown_rows, strict=True)
    write_filled(path, "audit.html", scripts, texts, data, *thumbnails)
    return path


def _image(row: int, *words: str, of_test: bool = False) -> dict[str, Any]:
    return {"image": (of_test, int(row)), "words": words}


def _faulty_folders(record: Mapping[str, Any], pool: Pool, strays: Mapping[str, int]) -> Iterator[Group]:
    """Images of every folder that is not as it should be, and of the one that it resembles."""
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
        yield shown(title), [[_image(row)] for row in list(found)[:IN_FOLDER]]
        beside = [row for row in _even(np.flatnonzero(pool.labels == other), BESIDE) if other != own]
        if beside:
            title = f"for comparison: the folder of {folder['suspected_class']}"
            yield shown(title), [[_image(row)] for row in beside]


def _strays(pool: Pool, strays: Mapping[str, int]) -> Iterator[Group]:
    names = pool.registry.names
    by_folder: dict[int, list[Row]] = {}
    for path, other in strays.items():
        row = pool.find(path)
        of_folder = by_folder.setdefault(int(pool.labels[row]), [])
        of_folder.append([_image(row, f"looks like {shown(names[other])}")])
    for folder, rows in sorted(by_folder.items()):
        yield shown(f"in {pool.registry.folders[folder]} ({names[folder]})"), rows[:STRAYS]


def _pairs(table: pd.DataFrame, *, with_test: bool = False) -> list[Group]:
    where = ("in the pool", "in the test set") if with_test else ()
    rows: list[Row] = []
    for pair in table[:PAIRS].to_dict("records"):
        how = "the same bytes" if pair["identical"] else "mirrored" if pair["mirrored"] else "nearly the same"
        second = _image(pair["second"], *where[1:], how, of_test=with_test)
        rows.append([_image(pair["first"], *where[:1]), second])
    return [("side by side, the closest first", rows)] if rows else []


def _even(rows: Sequence[int] | np.ndarray, count: int) -> list[int]:
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [int(rows[place]) for place in places]


def _order(order: Mapping[str, Any]) -> str:
    moved = (
        f"; {order['best_accuracy']:.1%} in another order, with {order['moved_folders']} folders moved"
        if order["moved_folders"]
        else ""
    )
    voters = html(" and ".join(order["voters"]))
    return f"By {voters}, {order['accuracy']:.1%} of the images look like the class of their folder{moved}."


def _counted(count: int, what: str, limit: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}; {limit}." if count else "None."


def _unusable(reasons: Mapping[str, str]) -> str:
    if not reasons:
        return "<p>None.</p>"
    lines = [f"<li>{html(f'{path}: {reason}')}</li>" for path, reason in list(reasons.items())[:UNUSABLE]]
    more = f"<p>And {len(reasons) - UNUSABLE:,} more.</p>" if len(reasons) > UNUSABLE else ""
    return f"<details><summary>{len(reasons):,} files</summary><ol>{''.join(lines)}</ol>{more}</details>"
