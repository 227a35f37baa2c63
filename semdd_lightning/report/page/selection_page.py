"""The page of a selection: images, scores, a map, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from semdd_lightning.names import shown
from semdd_lightning.pools import Pool
from semdd_lightning.report.page.page_images import (
    cells,
    earlier_choices,
    image_columns,
    numeric_columns,
    page_images,
    principal_plane,
    what_is_shown,
)
from semdd_lightning.report.page.parts import thumbnail_sheets, write_filled
from semdd_lightning.report.page.sections import histograms, statistics_table, suspects_section
from semdd_lightning.selection import score_columns

SCRIPTS = ("pictures.js", "selection.js", "choices.js", "map.js", "start.js")
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
        audit: what the pool's classes look like, as `class_record` returns it; none where nobody looked.
        resembles: class that the audit takes single images for, by path.

    Raises:
        DiskError: if it cannot be written.
    """
    decided, resembles = _decided(manifest), resembles or {}
    images = page_images(table, decided, resembles)
    usable = images.index[images["stage"] != "excluded"].tolist()
    plane, share = principal_plane(vectors[usable].double().cpu().numpy())
    numbers = numeric_columns(table)
    data = {
        "classes": [shown(name) for name in pool.registry.names],
        "sizes": pool.counts().tolist(),
        "ipc": manifest["ipc"],
        "numbers": numbers,
        "images": image_columns(images, numbers, plane, resembles),
        "cells": cells(images),
        "choices": earlier_choices(images, decided),
    }
    scored = f"Scored by {shown(prior)}. " if prior else ""
    title = f"{shown(pool.root.name)}: {manifest['ipc']} images a class by {shown(manifest['sampler_name'])}"
    method = (
        f"The two principal components of the embeddings of these {len(usable):,} images, which hold "
        f"{share:.0%} of their variance."
    )
    kept = {key: value for key, value in manifest.items() if key not in _ELSEWHERE}
    scores = {key: name for key, name in numbers.items() if key in (*score_columns(table), "quality")}
    parts = {
        "title": escape(title),
        "limits": escape(scored + what_is_shown(images, table)),
        "bought": statistics_table(report),
        "audit": suspects_section(audit),
        "histograms": histograms(table, scores),
        "method": escape(method),
        "again": escape(again),
        "command": escape(made_by),
        "manifest": escape(json.dumps(kept, indent=2, default=str)),
    }
    sheets = thumbnail_sheets((pool, usable))
    write_filled(path, "selection.html", SCRIPTS, parts, data, sheets)
    return path


def _decided(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What had been decided about single images, by path: pins first, in their order."""
    choices = manifest.get("choices") or {"pinned": (), "struck": ()}
    return dict.fromkeys(choices["pinned"], "pin") | dict.fromkeys(choices["struck"], "strike")
