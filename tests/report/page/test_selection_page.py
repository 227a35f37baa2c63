"""The page as a file: which images stand on it; it asks for nothing, and no name in it acts."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from semdd_lightning.errors import DiskError
from semdd_lightning.names import shown
from semdd_lightning.pools import decode_image
from semdd_lightning.report.page.parts import script_json
from semdd_lightning.report.page.selection_page import (
    CANDIDATES,
    EXCLUDED,
    REJECTED,
    STRAYS,
    histograms,
    page_images,
    principal_plane,
    statistics_table,
    what_is_shown,
)
from semdd_lightning.selection import score_columns
from tests.report.page.selected import AGAIN, MADE_BY, PRIOR, Selected, select_hostile
from tests.report.page_elements import Elements


@given(st.text() | st.lists(st.text(alphabet="<>/&!-script\u2028\x00\udcff")))
def test_json_in_a_script_ends_no_element(data: object) -> None:
    text = script_json(data)
    assert not set(text) & set("<>&")
    assert text.isascii()
    assert json.loads(text) == data


def test_no_name_becomes_markup(selected: Selected) -> None:
    page = Elements(selected.text)
    kinds = [attributes.get("type") for tag, attributes in page.tags if tag == "script"]
    sheets = kinds.count("text/plain")
    assert kinds == ["application/json", None, *["text/plain"] * sheets], "the scripts of the page, no more"
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", selected.text), "control characters are escaped"
    assert any(MADE_BY in text for text in page.texts)
    assert any(PRIOR in text for text in page.texts)
    assert any(AGAIN in text for text in page.texts)
    assert {"<i>odd", "<b>other"} <= set(page.texts), "the audit's suspects, and what they resemble"
    assert "left out" not in selected.text


def test_the_file_is_self_contained(selected: Selected) -> None:
    page = Elements(selected.text)
    assert not re.search(r"https?://|//cdn|@import|url\((?!\$\{sheetAddress)", selected.text)
    references = [
        attributes[name]
        for _, attributes in page.tags
        for name in ("src", "href", "action", "data", "poster")
        if name in attributes
    ]
    parts = [str(address) for address in references[1:]]
    places = {f"#{attributes.get('id')}" for _, attributes in page.tags}
    assert references[0] == "data:,"
    assert set(parts) < places, "links to parts of the page, and to nothing else"
    policy = [attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes]
    assert len(policy) == 1
    assert str(policy[0]).startswith("default-src 'none'")


def test_every_chosen_image_stands_once_and_in_order(selected: Selected) -> None:
    images = selected.data["images"]
    on_page = [
        path for path, stage in zip(images["path"], images["stage"], strict=True) if stage == "selected"
    ]
    chosen = selected.table[selected.table["stage"] == "selected"].sort_values(["label", "step"])
    assert on_page == [shown(path) for path in chosen["path"]]
    assert len(set(images["path"])) == len(images["path"])
    assert images["label"] == sorted(images["label"]), "class by class"


def test_every_image_comes_with_all_that_is_known(selected: Selected) -> None:
    data, table = selected.data, selected.table.assign(path=selected.table["path"].map(shown))
    images, by_path = data["images"], table.set_index("path")
    assert {*score_columns(selected.table), "quality", "stage1_rank", "step"} <= data["numbers"].keys()
    for i, path in enumerate(images["path"]):
        row = by_path.loc[path]
        assert images["reason"][i] == shown(row["reason"])
        assert data["classes"][images["label"][i]] == shown(row["class_name"])
        if row["stage"] == "excluded":
            assert (images["picture"][i], images["quality"][i], images["x"][i]) == (-1, None, None)
            continue
        assert images["quality"][i] == pytest.approx(row["quality"], abs=1e-5)
        assert images["path"][images["nearest"][i]] == table["path"][row["nearest_selected"]]
        assert images["resembles"][i] == (2 if path == table["path"][5] else -1)
    assert "excluded" in images["stage"]


def test_pictures_are_those_of_their_images(selected: Selected) -> None:
    data = selected.data
    sheets = re.findall(r'<script type="text/plain" id="sheet-\d+">(.*?)</script>', selected.text)
    (sheet,) = [Image.open(BytesIO(b64decode(text))) for text in sheets]
    edge, columns = data["sheets"]["edge"], data["sheets"]["columns"]
    pool = {shown(path): i for i, path in enumerate(selected.pool.paths)}
    for path, place in zip(data["images"]["path"], data["images"]["picture"], strict=True):
        if place >= 0:
            middle = (edge * (place % columns) + edge // 2, edge * (place // columns) + edge // 2)
            real = decode_image(selected.pool.read(pool[path])).getpixel((0, 0))
            assert sheet.getpixel(middle) == pytest.approx(real, abs=16), path


def test_the_same_selection_gives_the_same_page(selected: Selected, tmp_path: Path) -> None:
    again = select_hostile(tmp_path)
    assert again.text == selected.text.replace(str(selected.page.parent), str(tmp_path))


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "report.html" / "in the way").mkdir(parents=True)
    with pytest.raises(DiskError, match=r"Expected to write .*report\.html"):
        select_hostile(tmp_path, per_class=6)


def table_of(stages: dict[str, int], classes: int = 2) -> pd.DataFrame:
    """A table in which the quality falls from row to row, whatever the stage."""
    rows = []
    for label in range(classes):
        for stage, count in stages.items():
            rows += [(label, stage, count - i if stage == "selected" else pd.NA) for i in range(count)]
    table = pd.DataFrame(rows, columns=["label", "stage", "step"])
    table["step"] = table["step"].astype("Int64")
    table["path"] = [f"{i}.png" for i in table.index]
    table["quality"] = 1 - table.index / len(table)
    table.loc[table["stage"] == "excluded", "quality"] = float("nan")
    return table


def test_chosen_then_the_best_candidates_then_the_worst() -> None:
    table = table_of({"filtered": 30, "selected": 20, "candidate": 30, "excluded": 20})
    images = page_images(table)
    for label, of_class in images.groupby("label"):
        counts = [20, CANDIDATES, REJECTED, EXCLUDED]
        assert len(of_class) == sum(counts)
        chosen, candidates = of_class[:20], of_class[20 : 20 + CANDIDATES]
        rejected, excluded = of_class[20 + CANDIDATES :][:REJECTED], of_class[-EXCLUDED:]
        assert chosen["step"].tolist() == list(range(1, 21))
        assert set(excluded["stage"]) == {"excluded"}
        left = table[(table["label"] == label) & table["stage"].isin(["candidate", "filtered"])]
        best = left[left["stage"] == "candidate"].nlargest(CANDIDATES, "quality")
        assert candidates.index.tolist() == best.index.tolist()
        assert rejected.index.tolist() == left.nsmallest(REJECTED, "quality").index.tolist()
    assert what_is_shown(images, table).startswith("112 of the pool's 200 images")


def test_a_small_pool_is_shown_whole_and_each_image_once() -> None:
    table = table_of({"selected": 2, "candidate": CANDIDATES + 3, "excluded": 1}, classes=3)
    images = page_images(table)
    assert sorted(images.index) == list(table.index)


def test_what_people_decided_and_what_looks_astray_is_on_the_page() -> None:
    table = table_of({"selected": 2, "candidate": 60, "filtered": 60, "excluded": 20})
    plain = page_images(table)
    left_out = table.index.difference(plain.index)
    decided, strays = table.loc[left_out[::2], "path"], table.loc[left_out[1::2], "path"]
    images = page_images(table, decided, strays)
    assert set(plain.index) | set(left_out[::2]) <= set(images.index)
    more = images.index.difference(plain.index).difference(left_out[::2])
    assert table.loc[more, "label"].value_counts().tolist() == [STRAYS, STRAYS]
    assert images.index.is_unique
    assert images["label"].is_monotonic_increasing


def test_the_page_of_all_says_so() -> None:
    table = table_of({"selected": 2, "candidate": CANDIDATES + 3, "excluded": 1}, classes=3)
    images = page_images(table)
    assert what_is_shown(images, table) == "All 54 images of the pool are on this page."


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_it_is_the_plane_of_the_largest_variance(rows: int, size: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(rows, size))
    plane, share = principal_plane(vectors)
    centred = vectors - vectors.mean(axis=0)
    singular = np.zeros(2)
    found = np.linalg.svd(centred, compute_uv=False)[:2]
    singular[: len(found)] = found
    assert plane.shape == (rows, 2)
    np.testing.assert_allclose((plane**2).sum(axis=0), singular**2, atol=1e-9)
    total = (centred**2).sum()
    assert share == pytest.approx((singular**2).sum() / total if total > 0 else 0.0)


def test_images_that_are_all_the_same_lie_on_one_point() -> None:
    plane, share = principal_plane(np.ones((4, 3)))
    assert not plane.any()
    assert share == 0


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
