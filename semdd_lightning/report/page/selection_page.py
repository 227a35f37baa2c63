"""The page of a selection: images, scores, a map, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch import Tensor

from semdd_lightning.names import path_cell, shown
from semdd_lightning.pools import Pool
from semdd_lightning.report.page.parts import folders_table, html, write_filled
from semdd_lightning.report.tables import statistics_rows
from semdd_lightning.selection import score_columns

SCRIPTS = ("pictures.js", "selection.js", "choices.js", "map.js", "start.js")
CANDIDATES = REJECTED = EXCLUDED = STRAYS = 12  # of a class, beside all that were chosen
BINS = 30
_WIDTH, _HEIGHT = 300, 90  # of a histogram
_DIGITS = 5  # behind the point
_ELSEWHERE = ("paths", "labels", "class_names", "class_folders", "class_wnids", "digests", "table_digest")


def write_page(
    path: Path,
    table: pd.DataFrame,
    pool: Pool,
    vectors: Tensor,
    *,
    report: Mapping[str, Mapping[str, float | None]],
    manifest: Mapping[str, Any],
    made_by: str,
    again: str,
    prior: str | None = None,
    audit: Mapping[str, Any] | None = None,
    resembles: Mapping[str, int] | None = None,
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
        again: command that selects by the choices that the page writes.
        prior: the models that scored the pool, in words.
        audit: what the pool's classes look like, as `class_record` returns it; None where nobody looked.
        resembles: class that the audit takes single images for, by path.

    Raises:
        DiskError: if it cannot be written.
    """
    choices, resembles = manifest.get("choices") or {"pinned": (), "struck": ()}, resembles or {}
    decided = dict.fromkeys(choices["pinned"], "pin") | dict.fromkeys(choices["struck"], "strike")
    images = page_images(table, decided, resembles)
    places = {name: i for i, name in enumerate(images["path"])}
    usable = images.index[images["stage"] != "excluded"].tolist()
    plane, share = principal_plane(vectors[usable].double().cpu().numpy())
    numbers = _numeric_columns(table)
    data = {
        "classes": [shown(name) for name in pool.registry.names],
        "sizes": pool.counts().tolist(),
        "ipc": manifest["ipc"],
        "numbers": numbers,
        "images": _image_columns(images, numbers, plane, resembles),
        "cells": {i: path_cell(name) for name, i in places.items() if path_cell(name) != shown(name)},
        "choices": [(places[name], choice) for name, choice in decided.items() if name in places],
    }
    scored = f"Scored by {shown(prior)}. " if prior else ""
    kept = {key: value for key, value in manifest.items() if key not in _ELSEWHERE}
    scores = {key: name for key, name in numbers.items() if key in (*score_columns(table), "quality")}
    parts = {
        "title": html(f"{pool.root.name}: {manifest['ipc']} images per class by {manifest['sampler_name']}"),
        "limits": escape(scored + what_is_shown(images, table)),
        "bought": statistics_table(report),
        "audit": _suspects(audit),
        "histograms": histograms(table, scores),
        "method": f"The two principal components of the embeddings of these {len(usable):,} images, "
        f"which hold {share:.0%} of their variance.",
        "again": escape(again),
        "command": escape(made_by),
        "manifest": escape(json.dumps(kept, indent=2, default=str)),
    }
    write_filled(path, "selection.html", SCRIPTS, parts, data, (pool, usable))
    return path


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
    few = centred.shape[0] < centred.shape[1]  # the smaller products; their eigenvalues are the same
    products = centred @ centred.T if few else centred.T @ centred
    size = len(products)
    values, axes = eigh(products, subset_by_index=(max(0, size - 2), size - 1))
    values, axes = values[::-1].clip(min=0), axes[:, ::-1]  # the largest first
    found = axes * np.sqrt(values) if few else centred @ axes
    farthest = found[np.abs(found).argmax(axis=0), range(found.shape[1])]
    plane = np.zeros((len(vectors), 2))
    plane[:, : found.shape[1]] = np.where(farthest < 0, -found, found)
    total = float(np.trace(products))
    return plane, float(values.sum()) / total if total > 0 else 0.0


def statistics_table(report: Mapping[str, Mapping[str, float | None]]) -> str:
    """Statistics of pool, candidates, selection and a random subset as a table.

    Args:
        report: what `statistics_record` returns.
    """
    heads = "".join(f'<th scope="col">{html(subset)}</th>' for subset in report)
    lines = []
    for name, meaning, values in statistics_rows(report):
        cells = "".join(f"<td>{value}</td>" for value in values)
        label = f'<th scope="row">{escape(name)}<small>{escape(meaning)}</small></th>'
        lines.append(f"<tr>{label}{cells}</tr>")
    caption = "<caption>Random: a random subset of the same size</caption>"
    return f"<table>{caption}<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def histograms(table: pd.DataFrame, columns: Mapping[str, str]) -> str:
    """A histogram of each score: all images of the pool, and in front of them those that were chosen.

    Args:
        table: score table of a selection.
        columns: scores and their names for people.
    """
    chosen = (table["stage"] == "selected").to_numpy()
    return "".join(_histogram(_floats(table[key]), chosen, name) for key, name in columns.items())


def _histogram(values: NDArray[np.float64], chosen: NDArray[np.bool_], name: str) -> str:
    known = np.isfinite(values)
    if not known.any():
        return ""
    low, high = float(values[known].min()), float(values[known].max())
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    medians, bars = [], []
    for kind, of_kind in (("pool", known), ("selected", known & chosen)):
        counts = np.histogram(values[of_kind], edges)[0]
        bars.append(f'<path class="{kind}" d="{_outline(counts / max(1, counts.max()))}"/>')
        medians.append(f"{np.median(values[of_kind]):.4g}" if of_kind.any() else "-")
    said = f"{low:.4g} to {high:.4g}; median of the pool {medians[0]}, of the chosen {medians[1]}"
    label = f"Histogram of {html(name)}: {said}"
    picture = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(bars)}</svg>'
    return f"<figure>{picture}<figcaption><b>{html(name)}</b> {said}</figcaption></figure>"


def _outline(heights: NDArray[np.float64]) -> str:
    """Steps of a histogram whose highest bar is 1, as the outline of an area."""
    width = _WIDTH / len(heights)
    steps = [f"V{_HEIGHT * (1 - height):.1f}H{width * (i + 1):.1f}" for i, height in enumerate(heights)]
    return f"M0 {_HEIGHT}{''.join(steps)}V{_HEIGHT}Z"


def _suspects(audit: Mapping[str, Any] | None) -> str:
    """The folders that seem not to hold their class, with the class that they resemble."""
    if audit is None:
        return "<p>Nobody looked: the audit was off.</p>"
    suspects = [folder for folder in audit["folders"] if folder["verdict"] != "ok"]
    known = "" if audit["prior_knows_classes"] else " CLIP does not tell these classes apart."
    if not suspects:
        return f"<p>None of the {len(audit['folders']):,} folders is suspect.{known}</p>"
    count = f"{len(suspects):,} of {len(audit['folders']):,}"
    said = f"{count} folders seem to hold another class too, or instead.{known}"
    return f"<p>{said}</p>{folders_table(suspects)}"


def _numeric_columns(table: pd.DataFrame) -> dict[str, str]:
    """Columns that an image is sorted by, each with its name for people."""
    behind = ["quality", "stage1_rank", "step", "pick_value", "nearest_similarity"]
    names = {"stage1_rank": "rank in stage 1", "step": "picked at step"}
    names["nearest_similarity"] = "cosine to the nearest chosen image"
    keys = [*score_columns(table), *(key for key in behind if table[key].notna().any())]
    return {key: names.get(key, shown(key).replace("_", " ")) for key in keys}


def _image_columns(
    images: pd.DataFrame, numbers: Mapping[str, str], plane: np.ndarray, resembles: Mapping[str, int]
) -> dict[str, list[Any]]:
    """The images of a page; those with a thumbnail have a number and a place on the map."""
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
        **{key: _rounded(_floats(images[key])) for key in numbers},
    }


def _floats(column: pd.Series[Any]) -> NDArray[np.float64]:
    return column.to_numpy(dtype="float64", na_value=np.nan)


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if not np.isfinite(value) else round(float(value), _DIGITS) for value in values]
