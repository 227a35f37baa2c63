"""Thumbnails in sheets."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from semdd_lightning.pools import ClassFolders, Pool, decode_image
from semdd_lightning.report.page import parts
from semdd_lightning.report.page.parts import CAPACITY, COLUMNS, thumbnail_sheets
from tests.report.page.selected import paint


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """A pool that fills one sheet and begins another."""
    folder = tmp_path_factory.mktemp("sheets")
    for i in range(CAPACITY + COLUMNS + 1):
        paint(folder / "a" / f"{i:03d}.png", i, (16, 16 - i % 2))
    return ClassFolders(folder).read()


def test_a_thumbnail_stands_where_its_number_says(pool: Pool) -> None:
    rows = list(range(len(pool)))[::-1]
    sheets = thumbnail_sheets((pool, rows))
    assert sheets.edge == 16, "no larger than the images need"
    pictures = [Image.open(BytesIO(jpeg)) for jpeg in sheets.jpegs]
    assert [picture.size for picture in pictures] == [(256, 256), (256, 32)]
    for number, row in enumerate(rows):
        place = number % CAPACITY
        middle = (16 * (place % COLUMNS) + 8, 16 * (place // COLUMNS) + 8)
        real = decode_image(pool.read(row)).getpixel((0, 0))
        assert pictures[number // CAPACITY].getpixel(middle) == pytest.approx(real, abs=12)


def test_the_more_images_the_smaller(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        paint(tmp_path / "a" / f"{i}.png", i, (300, 200))
    large = ClassFolders(tmp_path).read()
    assert thumbnail_sheets((large, [0, 1, 2])).edge == 96
    monkeypatch.setattr(parts, "EDGES", ((1, 96), (2, 64)))
    assert [thumbnail_sheets((large, list(range(count)))).edge for count in (1, 2, 3)] == [96, 64, 48]
    assert thumbnail_sheets((pool, [])).jpegs == ()


def test_sheets_hold_images_of_several_pools(pool: Pool, tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 7, (48, 48))
    other = ClassFolders(tmp_path).read()
    sheets = thumbnail_sheets((pool, [3]), (other, [0]))
    assert sheets.edge == 48
    picture = Image.open(BytesIO(sheets.jpegs[0]))
    for place, image in enumerate((pool.read(3), other.read(0))):
        assert picture.getpixel((48 * place + 24, 24)) == pytest.approx(
            decode_image(image).getpixel((0, 0)), abs=12
        )


def test_a_large_photograph_is_decoded_small(tmp_path: Path) -> None:
    Image.new("RGB", (800, 400), "red").save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    assert decode_image(content, at_least=100).size == (200, 100)
    assert decode_image(content, at_least=500).size == (800, 400)
