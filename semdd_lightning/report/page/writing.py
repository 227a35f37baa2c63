"""Puts the page of a selection together."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from semdd_lightning.atomic import write_atomically
from semdd_lightning.names import shown
from semdd_lightning.pools import Pool
from semdd_lightning.report.page.embedding_map import principal_plane
from semdd_lightning.report.page.figures import histograms, statistics_table
from semdd_lightning.report.page.page_images import page_images, what_is_shown
from semdd_lightning.report.page.thumbnails import CAPACITY, COLUMNS, Sheets, thumbnail_sheets
from semdd_lightning.selection import score_columns

_ELSEWHERE = ("paths", "labels", "class_names", "class_folders", "class_wnids", "digests", "table_digest")
_DIGITS = 5  # behind the point


def write_page(
    path: Path,
    table: pd.DataFrame,
    pool: Pool,
    vectors: Tensor,
    *,
    report: Mapping[str, Mapping[str, float | None]],
    manifest: Mapping[str, Any],
    made_by: str,
) -> Path:
    """Write a selection as one page that needs no network: images, scores, map, and how it was made.

    Args:
        path: the HTML file to write.
        table: score table of the selection.
        pool: the pool that the selection was made from.
        vectors: embedding of each image of the pool ``(N, d)``.
        report: what the selection bought, as `statistics_record` returns it.
        manifest: entries of the selection's manifest.
        made_by: command that makes the selection again.

    Raises:
        DiskError: if it cannot be written.
    """
    images = page_images(table)
    usable = images.index[images["stage"] != "excluded"]
    sheets = thumbnail_sheets(pool, usable.tolist())
    plane, share = principal_plane(vectors[usable.tolist()].double().cpu().numpy())
    numbers = _numeric_columns(table)
    data = {
        "classes": [shown(name) for name in pool.registry.names],
        "numbers": numbers,
        "images": _columns(images, numbers, plane),
        "sheets": {"edge": sheets.edge, "columns": COLUMNS, "capacity": CAPACITY},
    }
    title = f"{shown(pool.root.name)}: {manifest['ipc']} images a class by {shown(manifest['sampler_name'])}"
    method = (
        f"The two principal components of the embeddings of these {len(usable):,} images, which hold "
        f"{share:.0%} of their variance."
    )
    kept = {key: value for key, value in manifest.items() if key not in _ELSEWHERE}
    scores = {key: name for key, name in numbers.items() if key in (*score_columns(table), "quality")}
    parts = {
        "title": escape(title),
        "limits": escape(what_is_shown(images, table)),
        "bought": statistics_table(report),
        "histograms": histograms(table, scores),
        "method": escape(method),
        "command": escape(made_by),
        "manifest": escape(json.dumps(kept, indent=2, default=str)),
        "style": _file("page.css"),
        "script": _file("page.js"),
        "data": script_json(data),
        "sheets": _sheet_elements(sheets),
    }
    page = re.sub(r"<!--(\w+)-->", lambda found: parts[found[1]], _file("page.html"))
    write_atomically(path, page.encode())
    return path


def script_json(data: object) -> str:
    r"""JSON that can stand in a script element, whatever the texts in it are.

    >>> print(script_json("</script>&\u2028"))
    "\u003c/script\u003e\u0026\u2028"

    Args:
        data: what to write; numbers in it are finite.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _numeric_columns(table: pd.DataFrame) -> dict[str, str]:
    """Columns that an image is sorted by, each with its name for people."""
    behind = ["quality", "stage1_rank", "step", "pick_value", "nearest_similarity"]
    names = {"stage1_rank": "rank in stage 1", "step": "picked at step"}
    names["nearest_similarity"] = "cosine to the nearest chosen image"
    keys = [*score_columns(table), *(key for key in behind if table[key].notna().any())]
    return {key: names.get(key, shown(key).replace("_", " ")) for key in keys}


def _columns(images: pd.DataFrame, numbers: Mapping[str, str], plane: np.ndarray) -> dict[str, list[Any]]:
    """Images of the page, column by column; those with a thumbnail have a number and a place on the map."""
    has_picture = (images["stage"] != "excluded").to_numpy()
    picture = np.where(has_picture, has_picture.cumsum() - 1, -1)
    places = np.full((len(images), 2), np.nan)
    places[has_picture] = plane
    position = pd.Series(range(len(images)), index=images.index)
    nearest = position.reindex(images["nearest_selected"].fillna(-1)).fillna(-1).astype(int)
    return {
        "path": [shown(path) for path in images["path"]],
        "label": images["label"].tolist(),
        "predicted": images["predicted"].fillna(-1).astype(int).tolist(),
        "stage": images["stage"].astype(str).tolist(),
        "reason": [shown(reason) for reason in images["reason"]],
        "picture": picture.tolist(),
        "nearest": nearest.tolist(),
        "x": _rounded(places[:, 0]),
        "y": _rounded(places[:, 1]),
        **{key: _rounded(images[key].to_numpy(dtype="float64", na_value=np.nan)) for key in numbers},
    }


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if not np.isfinite(value) else round(float(value), _DIGITS) for value in values]


def _sheet_elements(sheets: Sheets) -> str:
    """Each sheet in an element of its own, which the page looks into when it comes to its images."""
    return "\n".join(
        f'<script type="text/plain" id="sheet-{number}">{b64encode(jpeg).decode()}</script>'
        for number, jpeg in enumerate(sheets.jpegs)
    )


def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
