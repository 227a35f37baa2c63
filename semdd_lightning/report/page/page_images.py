"""The images of a page: which of a pool, in which order, what is known of each, its place on the map."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import eigh

from semdd_lightning.names import path_cell, shown
from semdd_lightning.selection import score_columns

CANDIDATES = REJECTED = EXCLUDED = STRAYS = 12  # of a class, beside all that were chosen
_DIGITS = 5  # behind the point


def page_images(
    table: pd.DataFrame, decided: Collection[str] = (), strays: Collection[str] = ()
) -> pd.DataFrame:
    """Rows of the score table that stand on the page, class by class.

    Of a class these are all chosen images in the order of the picks, the candidates of highest quality, the
    images of lowest quality, the lowest first, some that could not be chosen at all, those that people
    decided about, and some that look like another class.

    Args:
        table: score table of a selection.
        decided: paths of images that were struck out or pinned.
        strays: paths of images that look like another class.
    """
    chosen = table[table["stage"] == "selected"].sort_values("step")
    left = table[table["stage"].isin(["candidate", "filtered"])]
    left = left.sort_values("quality", ascending=False, kind="stable")
    candidates = left[left["stage"] == "candidate"].groupby("label").head(CANDIDATES)
    rejected = left.drop(candidates.index).groupby("label").tail(REJECTED)[::-1]
    excluded = table[table["stage"] == "excluded"].groupby("label").head(EXCLUDED)
    by_hand = table[table["path"].isin(decided)]
    astray = table[table["path"].isin(strays)].groupby("label").head(STRAYS)
    parts = (chosen, candidates, rejected, excluded, by_hand, astray)
    rows = list(dict.fromkeys(row for part in parts for row in part.index))
    return table.loc[rows].sort_values("label", kind="stable")


def what_is_shown(images: pd.DataFrame, table: pd.DataFrame) -> str:
    """One sentence that says where the page is cut.

    Args:
        images: what `page_images` returns.
        table: all of the score table.
    """
    if len(images) == len(table):
        return f"All {len(table):,} images of the pool are on this page."
    return (
        f"{len(images):,} of the pool's {len(table):,} images are on this page: of each class all that were "
        f"chosen, the {CANDIDATES} candidates of highest quality, the {REJECTED} others of lowest quality, "
        f"up to {EXCLUDED} that could not be chosen and up to {STRAYS} that look like another class, and all "
        "that were struck out by hand."
    )


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


def principal_plane(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The two principal components of vectors ``(n, d)``: coordinates ``(n, 2)`` and their share of variance.

    The share is 0 where all vectors are the same. The farthest image along a component lies on its positive
    side, so that the same vectors give the same plane.

    >>> plane, share = principal_plane(np.array([[0.0, 3.0], [0.0, -3.0]]))
    >>> plane[:, 0].tolist(), share
    ([3.0, -3.0], 1.0)

    Args:
        vectors: One row for each image.
    """
    centred = vectors - vectors.mean(axis=0)
    few = centred.shape[0] < centred.shape[1]
    products = (
        centred @ centred.T if few else centred.T @ centred
    )  # the smaller; their eigenvalues are the same
    size = len(products)
    values, axes = eigh(products, subset_by_index=(max(0, size - 2), size - 1))
    values, axes = values[::-1].clip(min=0), axes[:, ::-1]  # the largest first
    found = axes * np.sqrt(values) if few else centred @ axes
    farthest = found[np.abs(found).argmax(axis=0), range(found.shape[1])]
    plane = np.zeros((len(vectors), 2))
    plane[:, : found.shape[1]] = np.where(farthest < 0, -found, found)
    total = float(np.trace(products))
    return plane, float(values.sum()) / total if total > 0 else 0.0


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if not np.isfinite(value) else round(float(value), _DIGITS) for value in values]
