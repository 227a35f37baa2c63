"""The table and the histograms of the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd

from semdd_lightning.report.page.selection_page import histograms, statistics_table


def test_the_table_says_what_the_selection_bought() -> None:
    report: dict[str, dict[str, float | None]] = {
        "selection": {"coverage": 0.75, "mean_margin": None},
        "<i>": {"coverage": None, "mean_margin": None},
    }
    table = ET.fromstring(statistics_table(report))  # noqa: S314 - our own text
    assert [cell.text for cell in table.iter("td")] == [None, "0.7500", "-"]
    heads = {cell.get("scope"): cell.text for cell in table.iter("th")}
    assert heads == {"col": "<i>", "row": "coverage"}, "what nobody knows has no row"


def test_a_histogram_counts_all_and_the_chosen() -> None:
    values = np.array([0.0, 0.0, 1.0, np.nan])
    table = pd.DataFrame({"stage": ["candidate", "filtered", "selected", "excluded"], "mine": values})
    figure = ET.fromstring(histograms(table, {"mine": "<mine>"}))  # noqa: S314
    (picture,) = figure.iter("svg")
    label = "Histogram of <mine>: 0 to 1; median of the pool 0, of the chosen 1"
    assert picture.get("aria-label") == label
    pool, chosen = (path.get("d") for path in picture)
    heights = [re.findall(r"V([\d.]+)H", str(outline)) for outline in (pool, chosen)]
    assert [(of[0], of[-1]) for of in heights] == [("0.0", "45.0"), ("90.0", "0.0")]


def test_a_score_of_one_value_or_none_does_no_harm() -> None:
    table = pd.DataFrame({"stage": ["selected"] * 2, "same": [2.0, 2.0], "none": [np.nan] * 2})
    assert "2 to 2" in histograms(table, {"same": "same"})
    assert histograms(table, {"none": "none"}) == ""
