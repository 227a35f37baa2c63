"""An audit as plain data: what `semdd audit --json` writes and its table shows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from semdd_lightning.audit.order import ClassOrder
from semdd_lightning.audit.verdict import Audit
from semdd_lightning.pools import Pool
from semdd_lightning.pools.pool import NEAR_CONSTANT

FORMAT = 1
SHOWN = 5  # folders in the record of a run


def audit_record(
    images: Pool, audit: Audit, duplicates: pd.DataFrame, leaked: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Everything that an audit found, as plain JSON values.

    Args:
        images: the pool.
        audit: what its classes look like.
        duplicates: what `near_duplicates` found in the pool.
        leaked: what `leaked_images` found in a test set, where one was given.

    Returns:
        `verdict` (pass, warn or refuse), `mapping` (class that each folder holds, by folder), `order` (what
        each voter says), `folders` (most suspect first), `images` (single ones that look like another
        class), `near_constant`, `unusable`, `duplicates` and `leaked`.
    """
    registry = images.registry
    named = dict(zip(registry.folders, (registry.names[c] for c in audit.order), strict=True))
    names = registry.names
    flat = np.flatnonzero(images.traits.contrasts < NEAR_CONSTANT)
    return {
        "format": FORMAT,
        "pool": str(images.root),
        "fingerprint": images.fingerprint,
        "images_audited": len(images),
        **class_record(images, audit),
        "other_order": audit.other_order,
        "mapping": named,
        "order": [_order(order) for order in (audit.clip, audit.teacher) if order is not None],
        "images": [
            {"path": path, "class": names[images.labels[images.find(path)]], "looks_like": names[other]}
            for path, other in stray_classes(images, audit).items()
        ],
        "near_constant": list(images.paths.take(flat)),
        "unusable": {image.path: image.reason for image in images.excluded},
        "duplicates": _pairs(duplicates),
        "leaked": None if leaked is None else _pairs(leaked),
    }


def class_record(images: Pool, audit: Audit) -> dict[str, Any]:
    """The part of the record that says what the folders hold."""
    doubtful = len(audit.suspects) or not audit.knows_classes
    return {
        "verdict": "refuse" if audit.refused else "warn" if doubtful else "pass",
        "prior_knows_classes": audit.knows_classes,
        "folders": _folder_records(images, audit),
    }


def stray_classes(images: Pool, audit: Audit) -> dict[str, int]:
    """Class that each single image looks like which does not show that of its folder, by path."""
    return {
        images.paths[row]: other
        for row, other in zip(audit.strays.tolist(), audit.stray_classes.tolist(), strict=True)
        if audit.order[images.labels[row]] != other
    }


def audit_outcome(images: Pool, audit: Audit) -> dict[str, Any]:
    """What a result has to say of an audit.

    Returns:
        `verdict` (pass, warn or refuse), `prior_knows_classes`, how many folders hold another class
        (`moved_folders`) or seem to hold it in part (`suspect_folders`), and the first of both in `folders`.
    """
    record = class_record(images, audit)
    wrong = [folder for folder in record["folders"] if folder["verdict"] in ("moved", "suspect")]
    counts = Counter(folder["verdict"] for folder in wrong)
    return {
        "verdict": record["verdict"],
        "prior_knows_classes": record["prior_knows_classes"],
        "moved_folders": counts["moved"],
        "suspect_folders": counts["suspect"],
        "folders": [
            {key: folder[key] for key in ("folder", "class", "suspected_class", "share", "verdict")}
            for folder in wrong[:SHOWN]
        ],
    }


def _folder_records(images: Pool, audit: Audit) -> list[dict[str, Any]]:
    """One record per folder, the most suspect first; folders that another order moves lead."""
    registry, contents = images.registry, audit.contents
    moved = audit.order != np.arange(len(registry))
    ranking, counts = contents.ranking(), images.counts()
    records = []
    for folder in [*ranking[moved[ranking]], *ranking[~moved[ranking]]]:
        other = audit.order[folder] if moved[folder] else contents.suspected[folder]
        expected = contents.reference_agreement
        records.append(
            {
                "folder": registry.folders[folder],
                "class": registry.names[folder],
                "agreement": round(float(contents.agreement[folder]), 4),
                "reference_agreement": None if expected is None else round(float(expected[folder]), 4),
                "suspected_class": registry.names[other],
                "share": round(float(audit.share_of(folder)), 4),
                "verdict": _folder_verdict(audit, folder, counts[folder]),
            }
        )
    return records


def _folder_verdict(audit: Audit, folder: int, images: int) -> str:
    if audit.order[folder] != folder:
        return "moved"
    if images == 0:
        return "empty"
    return "suspect" if audit.contents.suspect[folder] else "ok"


def _order(order: ClassOrder) -> dict[str, Any]:
    return {
        "voters": list(order.voters),
        "accuracy": round(order.accuracy, 4),
        "best_accuracy": round(order.best_accuracy, 4),
        "moved_folders": len(order.moved),
    }


def _pairs(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = ["first_path", "second_path", "distance", "mirrored", "identical"]
    records = table[columns].round({"distance": 4}).to_dict("records")
    return [{str(key): value for key, value in record.items()} for record in records]
