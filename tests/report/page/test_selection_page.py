"""The page as a file: it holds everything, asks for nothing, and no name in it acts."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from semdd_lightning.errors import DiskError
from semdd_lightning.names import shown
from semdd_lightning.pools import decode_image
from semdd_lightning.report.page.parts import script_json
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
