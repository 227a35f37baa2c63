"""Sections of a page that are finished HTML: statistics, histograms of scores, folders of an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from semdd_lightning.names import shown
from semdd_lightning.report.tables import STATISTICS

BINS = 30
_WIDTH, _HEIGHT = 300, 90  # of a histogram
_HEADS = ("folder", "class", "agreement", "real images", "resembles", "share", "verdict")


def statistics_table(report: Mapping[str, Mapping[str, float | None]]) -> str:
    """Statistics of pool, candidates, selection and a random subset as a table.

    Args:
        report: what `statistics_record` returns.
    """
    head = "".join(f'<th scope="col">{escape(shown(subset))}</th>' for subset in report)
    lines = []
    for key, (name, meaning) in STATISTICS.items():
        values = [of_subset.get(key) for of_subset in report.values()]
        if any(value is not None for value in values):
            cells = "".join(f"<td>{'-' if value is None else f'{value:.4f}'}</td>" for value in values)
            label = f'<th scope="row">{escape(name)}<small>{escape(meaning)}</small></th>'
            lines.append(f"<tr>{label}{cells}</tr>")
    caption = "<caption>Random: a random subset of the same size</caption>"
    return f"<table>{caption}<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def histograms(table: pd.DataFrame, columns: Mapping[str, str]) -> str:
    """A histogram of each score: all images of the pool, and in front of them those that were chosen.

    Args:
        table: score table of a selection.
        columns: scores and their names for people.
    """
    chosen = (table["stage"] == "selected").to_numpy()
    return "".join(_histogram(_numbers(table, key), chosen, name) for key, name in columns.items())


def suspects_section(audit: Mapping[str, Any] | None) -> str:
    """The folders that seem not to hold their class, with the class that they resemble.

    Args:
        audit: `folders`, the most suspect first, and `prior_knows_classes`; none where nobody looked.
    """
    if audit is None:
        return "<p>Nobody looked: the audit was off.</p>"
    suspects = [folder for folder in audit["folders"] if folder["verdict"] != "ok"]
    known = "" if audit["prior_knows_classes"] else " CLIP does not tell these classes apart."
    if not suspects:
        return f"<p>None of the {len(audit['folders']):,} folders is suspect.{known}</p>"
    said = (
        f"{len(suspects):,} of {len(audit['folders']):,} folders seem to hold another class too, or instead."
    )
    return f"<p>{said}{known}</p>{folders_table(suspects)}"


def folders_table(folders: Sequence[Mapping[str, Any]]) -> str:
    """Folders with agreement, resembled class, share and verdict.

    Args:
        folders: the folders of `audit_record`, all or some.
    """
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
    return (
        f'<div class="wide"><table class="folders"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(map(_folder_row, folders))}</tbody></table></div>"
    )


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
    label = escape(f"Histogram of {shown(name)}: {said}")
    picture = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(bars)}</svg>'
    caption = f"<figcaption><b>{escape(shown(name))}</b> {escape(said)}</figcaption>"
    return f"<figure>{picture}{caption}</figure>"


def _outline(heights: NDArray[np.float64]) -> str:
    """Steps of a histogram whose highest bar is 1, as the outline of an area."""
    width = _WIDTH / len(heights)
    steps = [f"V{_HEIGHT * (1 - height):.1f}H{width * (i + 1):.1f}" for i, height in enumerate(heights)]
    return f"M0 {_HEIGHT}{''.join(steps)}V{_HEIGHT}Z"


def _numbers(table: pd.DataFrame, key: str) -> NDArray[np.float64]:
    return table[key].to_numpy(dtype="float64", na_value=np.nan)


def _folder_row(folder: Mapping[str, Any]) -> str:
    expected = folder["reference_agreement"]
    cells = [
        folder["class"],
        f"{folder['agreement']:.0%}",
        "-" if expected is None else f"{expected:.0%}",
        "-" if folder["verdict"] == "ok" else folder["suspected_class"],
        f"{folder['share']:.0%}",
    ]
    texts = "".join(f"<td>{escape(shown(cell))}</td>" for cell in cells)
    verdict = f'<td class="verdict {folder["verdict"]}">{folder["verdict"]}</td>'
    return f'<tr><th scope="row">{escape(shown(folder["folder"]))}</th>{texts}{verdict}</tr>'
