"""The page in headless Chromium, where it is installed: what a reader does with it."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image
from playwright.sync_api import Page

from semdd_lightning.export import read_choices
from semdd_lightning.names import shown
from semdd_lightning.pools import decode_image
from tests.report.page.browsing import Opened, needs_chromium
from tests.report.page.selected import FILES, Selected, select_hostile

pytestmark = needs_chromium


class OpenedSelection(Opened):
    """The page of a selection."""

    def __init__(self, page: Page, selected: Selected) -> None:
        super().__init__(page)
        self.data = selected.data
        self.open(selected.page)

    def cards(self) -> list[int]:
        """Images in the order in which they are drawn, all groups scrolled to."""
        self.page.wait_for_function("() => waiting === null")
        self.draw_all()
        cards = self.page.eval_on_selector_all("[data-image]", "cards => cards.map(c => c.dataset.image)")
        return [int(text) for text in cards]

    def details(self) -> dict[str, str]:
        """What is said of the image looked at."""
        names = self.page.locator("#details dt").all_text_contents()
        return dict(zip(names, self.page.locator("#details dd").all_text_contents(), strict=True))


@pytest.fixture
def opened(browser_page: Page, selected: Selected) -> Iterator[OpenedSelection]:
    """The page, opened anew; at the end nothing went wrong and nothing was asked of the network."""
    found = OpenedSelection(browser_page, selected)
    yield found
    assert found.said == []
    assert found.abroad() == []


def test_all_images_are_drawn_in_the_order_of_the_picks(opened: OpenedSelection) -> None:
    images = opened.data["images"]
    assert opened.page.locator("[data-image]").count() < len(images["path"]), "rows wait until scrolled to"
    assert opened.cards() == list(range(len(images["path"])))
    assert opened.page.locator("h3").all_text_contents()[0].startswith(opened.data["classes"][0])


def test_filters(opened: OpenedSelection) -> None:
    page, images = opened.page, opened.data["images"]
    page.select_option("[name=label]", "1")
    page.uncheck("[value=filtered]")
    every = range(len(images["path"]))
    left = [i for i in every if images["label"][i] == 1 and images["stage"][i] != "filtered"]
    assert opened.cards() == left
    page.fill("[name=path]", "SCRIPT>")
    assert opened.cards() == [i for i in left if "script>" in images["path"][i]]
    page.fill("[name=path]", "")
    page.fill("[name=reason]", "step 2")
    assert opened.cards() == [i for i in left if images["reason"][i] == "picked at step 2"]


def test_sorting_by_a_score(opened: OpenedSelection) -> None:
    page, images = opened.page, opened.data["images"]
    page.select_option("[name=sort]", "class_relevance")
    page.uncheck("[name=grouped]")
    values = [images["class_relevance"][i] for i in opened.cards()]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=True)
    assert values[len(known) :] == [None] * (len(values) - len(known)), "what has no score comes last"
    page.select_option("[name=score]", "quality")
    page.fill("[name=least]", "0.1")
    page.fill("[name=most]", "0.9")
    left = opened.cards()
    quality = images["quality"]
    assert {i for i, value in enumerate(quality) if value is not None and 0.1 <= value <= 0.9} == set(left)
    assert [images["class_relevance"][i] for i in left] == sorted(
        (images["class_relevance"][i] for i in left), reverse=True
    )
    page.click("[type=reset]")
    page.select_option("[name=only]", "resembles")
    assert opened.cards() == [i for i, other in enumerate(images["resembles"]) if other >= 0]
    opened.page.locator("[data-image]").first.hover()
    assert opened.details()["to the audit it looks like"] == opened.data["classes"][2]


def test_pointing_at_an_image_shows_all_that_is_known_of_it(opened: OpenedSelection) -> None:
    opened.cards()
    images = opened.data["images"]
    opened.page.locator("[data-image='1']").hover()
    found = opened.details()
    assert found["path"] == images["path"][1]
    assert (found["reason"], found["picked at step"]) == ("picked at step 2", "2")
    assert float(found["class relevance"]) == images["class_relevance"][1]
    assert found["nearest chosen image"] == images["path"][images["nearest"][1]]
    assert opened.page.locator("#details .picture").count() == 2


def test_the_keyboard_walks_through_the_images(opened: OpenedSelection) -> None:
    opened.cards()
    opened.page.locator("[data-image='0']").focus()
    opened.page.keyboard.press("ArrowRight")
    assert opened.details()["path"] == opened.data["images"]["path"][1]
    opened.page.locator("#map").focus()
    opened.page.keyboard.press("ArrowRight")
    assert opened.details()["path"] == opened.data["images"]["path"][2]


def test_a_card_shows_the_pixels_of_its_image(opened: OpenedSelection, selected: Selected) -> None:
    opened.cards()
    pool = {shown(path): i for i, path in enumerate(selected.pool.paths)}
    for i in (0, 1, 17):  # in the first line of the sheet and in the second
        card = opened.page.locator(f"[data-image='{i}'] .picture")
        card.scroll_into_view_if_needed()
        seen = Image.open(BytesIO(card.screenshot())).convert("RGB").getpixel((48, 48))
        real = decode_image(selected.pool.read(pool[opened.data["images"]["path"][i]])).getpixel((0, 0))
        assert seen == pytest.approx(real, abs=16)


def test_a_click_on_the_map_shows_the_image(opened: OpenedSelection) -> None:
    x, y = opened.page.evaluate("projection()(4)")
    opened.page.locator("#map").click(position={"x": x, "y": y})
    assert opened.details()["path"] == opened.data["images"]["path"][4]
    last = len(opened.data["images"]["path"]) - 4  # far below what is drawn
    x, y = opened.page.evaluate(f"projection()({last})")
    opened.page.evaluate("scrollTo(0, 0)")
    opened.page.locator("#map").dblclick(position={"x": x, "y": y})
    card = opened.page.locator("[data-image][aria-current]")
    assert card.evaluate("card => card === document.activeElement")
    assert card.evaluate("card => card.getBoundingClientRect().top < innerHeight")
    assert str(card.get_attribute("aria-label")).startswith(f"{opened.details()['path']}, ")


# ---------------------------------------------------------------- images struck out and pinned


def download(page: Page, folder: Path) -> Path:
    with page.expect_download() as download_info:
        page.click("#download")
    assert download_info.value.suggested_filename == "choices.csv"
    file = folder / "choices.csv"
    download_info.value.save_as(file)
    return file


def read(file: Path) -> list[tuple[str, str]]:
    return [(decision.path, decision.choice) for decision in read_choices(file).decisions]


def raw(selected: Selected, images: dict[str, list[Any]], i: int) -> str:
    """The path in the pool of an image of the page."""
    (path,) = (path for path in selected.table["path"] if shown(path) == images["path"][i])
    return str(path)


def test_choices_are_made_and_downloaded_and_name_the_images_exactly(
    opened: OpenedSelection, selected: Selected, tmp_path: Path
) -> None:
    page, images = opened.page, opened.data["images"]
    assert page.is_disabled("#download")
    opened.cards()
    in_first = [i for i, label in enumerate(images["label"]) if label == 0]
    hostile = [i for i in in_first if not images["path"][i].endswith(("0.png", "5.png"))][-6:]
    pins = [*hostile[:2], in_first[0]]
    for i in pins:  # by the keyboard
        page.locator(f"[data-image='{i}']").focus()
        page.keyboard.press("p")
    assert (
        page.locator("#decided").text_content()
        == f"0 struck out, 3 pinned. {images['path'][pins[2]]} is pinned."
    )
    page.locator(f"[data-image='{hostile[2]}']").focus()
    page.keyboard.press("p")
    assert "3 of <script>" in str(page.locator("#decided").text_content()), "no more than are chosen"
    page.locator(f"[data-image='{hostile[3]}']").hover()
    page.click("text=Strike out (S)")
    assert page.get_attribute("text=Strike out (S)", "aria-pressed") == "true"
    assert str(page.get_attribute(f"[data-image='{hostile[3]}']", "aria-label")).endswith(", struck out")
    assert opened.details()["your choice"] == "struck out"
    page.fill("[name=path]", "sp")  # letters in a field are letters
    page.fill("[name=path]", "")
    page.locator(f"[data-image='{pins[1]}']").focus()
    page.keyboard.press("p")  # takes it back
    expected = [
        *((raw(selected, images, i), "pin") for i in (pins[0], pins[2])),
        (raw(selected, images, hostile[3]), "strike"),
    ]
    assert read(download(page, tmp_path)) == expected
    page.select_option("[name=only]", "decided")
    assert opened.cards() == sorted([pins[0], pins[2], hostile[3]])


def test_a_page_goes_on_from_a_file_and_from_what_was_decided_before(
    browser_page: Page, tmp_path: Path
) -> None:
    struck = (*(f"plain/{name}" for name in FILES), "plain/030.png", "plain/broken.png")
    pinned = ("plain/020.png", "plain/021.png")
    selected = select_hostile(tmp_path / "later", 40, {"pinned": pinned, "struck": struck})
    opened = OpenedSelection(browser_page, selected)
    before = [*((path, "pin") for path in pinned), *((path, "strike") for path in struck)]
    assert read(download(opened.page, tmp_path)) == before, "from the manifest, every name as it is"
    file = tmp_path / "mine.csv"
    file.write_text('\ufeffchoice,path\nstrike,plain/020.png\npin,"gone, away.png"\n', encoding="utf-8")
    opened.page.set_input_files("#upload", file)
    opened.page.wait_for_function(
        "() => document.getElementById('decided').textContent.includes('2 choices')"
    )
    assert read(download(opened.page, tmp_path)) == [("plain/020.png", "strike"), ("gone, away.png", "pin")]
    for wrong in ("path,choice\na.png,constructor\n", 'path,choice\n"a.png,pin\n', ""):
        file.write_text(wrong)
        opened.page.set_input_files("#upload", file)
        opened.page.wait_for_function(
            "() => document.getElementById('decided').textContent.includes('nothing')"
        )
        opened.page.evaluate("say('')")
    assert read(download(opened.page, tmp_path))[0] == ("plain/020.png", "strike")
    assert opened.said == []


def test_a_picture_is_decoded_and_no_name_acts(opened: OpenedSelection, selected: Selected) -> None:
    assert opened.page.title() == "pool: 3 images per class by two_stage"
    assert opened.page.locator("img").count() == 0
    found = opened.page.evaluate(
        "new Promise((done) => { const i = new Image(); i.onload = () => done(i.width);"
        "i.src = sheetAddress(0); })"
    )
    assert found == 16 * opened.data["sheets"]["edge"]
    options = opened.page.locator("[name=label] option").all_text_contents()
    assert options == ["all", *(shown(name) for name in selected.pool.registry.names)]


def test_dark_where_the_system_is(opened: OpenedSelection) -> None:
    colours = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        opened.page.emulate_media(color_scheme=scheme)
        colours.append(opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]
