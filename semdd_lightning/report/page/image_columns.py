"""What a page knows of its images, column by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from semdd_lightning.names import path_cell, shown
from semdd_lightning.selection import score_columns

_DIGITS = 5  # behind the point


def numeric_columns(table: pd.DataFrame) -> dict[str, str]:
    """Columns that an image is sorted by, each with its name for people.

    Args:
        table: score table of a selection.
    """
    behind = ["quality", "stage1_rank", "step", "pick_value", "nearest_similarity"]
    names = {"stage1_rank": "rank in stage 1", "step": "picked at step"}
    names["nearest_similarity"] = "cosine to the nearest chosen image"
    keys = [*score_columns(table), *(key for key in behind if table[key].notna().any())]
    return {key: names.get(key, shown(key).replace("_", " ")) for key in keys}


def image_columns(
    images: pd.DataFrame, numbers: Mapping[str, str], plane: np.ndarray, resembles: Mapping[str, int]
) -> dict[str, list[Any]]:
    """The images of a page; those with a thumbnail have a number and a place on the map.

    Args:
        images: what `page_images` returns.
        numbers: what `numeric_columns` returns.
        plane: place on the map of each image that has a thumbnail ``(n, 2)``.
        resembles: class that the audit takes an image for, by path.
    """
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
        "resembles": [resembles.get(path, -1) for path in images["path"]],
        "stage": images["stage"].astype(str).tolist(),
        "reason": [shown(reason) for reason in images["reason"]],
        "picture": picture.tolist(),
        "nearest": nearest.tolist(),
        "x": _rounded(places[:, 0]),
        "y": _rounded(places[:, 1]),
        **{key: _rounded(images[key].to_numpy(dtype="float64", na_value=np.nan)) for key in numbers},
    }


def cells(images: pd.DataFrame) -> dict[int, str]:
    """Paths as a file of choices has them, where that is not what people see, by position.

    Args:
        images: what `page_images` returns.
    """
    written = ((i, path, path_cell(path)) for i, path in enumerate(images["path"]))
    return {i: text for i, path, text in written if text != shown(path)}


def earlier_choices(images: pd.DataFrame, decided: Mapping[str, str]) -> list[tuple[int, str]]:
    """Position of each image that was decided about, and what was decided, in the order of the decisions.

    Args:
        images: what `page_images` returns.
        decided: ``strike`` or ``pin``, by path.
    """
    positions = {path: i for i, path in enumerate(images["path"]) if path in decided}
    return [(positions[path], choice) for path, choice in decided.items() if path in positions]


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if not np.isfinite(value) else round(float(value), _DIGITS) for value in values]
