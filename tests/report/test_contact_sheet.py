"""The picture of what was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor, ImageDraw

from semdd_lightning.pools import ClassFolders, Pool
from semdd_lightning.report import write_contact_sheet
from semdd_lightning.report.contact_sheet import CELL, FRAME, cell_centre, draw_contact_sheet


def make_pool(root: Path, num_classes: int, per_class: int, chosen: int) -> tuple[pd.DataFrame, Pool]:
    """A score table and its pool: the first `chosen` of a class picked in reverse, one not readable."""
    rows = []
    for label in range(num_classes):
        for i in range(per_class):
            path = f"class_{label:02d}/{i}.png"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((4, 4, 3), 20 * i, dtype=np.uint8)
            pixels[-1] = label  # not byte for byte the image of another class
            Image.fromarray(pixels).save(root / path)
            stage = "selected" if i < chosen else "candidate" if i % 2 else "filtered"
            step = chosen - i if i < chosen else pd.NA
            name = f"a class with a rather long name, {label}"
            rows.append((path, name, label, stage, step, 1 - i / 10))
        rows.append((f"class_{label:02d}/broken.png", f"c{label}", label, "excluded", pd.NA, np.nan))
    table = pd.DataFrame(rows, columns=["path", "class_name", "label", "stage", "step", "quality"])
    return table, ClassFolders(root).read()


def shown_images(drawn: Image.Image, row: int) -> list[int | None]:
    """Which image of its class stands in each cell of a row."""
    picture = np.asarray(drawn)
    centres = [cell_centre(row, column) for column in range(14)]
    values = [int(picture[y, x, 0]) for x, y in centres if x < picture.shape[1]]
    return [None if value == 255 else value // 20 for value in values]


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written, in its order."""
    written: list[str] = []
    write = ImageDraw.ImageDraw.text

    def noted(draw: ImageDraw.ImageDraw, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as PIL has it
        written.append(args[1])
        write(draw, *args, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    return written


def test_chosen_images_stand_in_pick_order_and_the_worst_rejected_beside(
    tmp_path: Path, texts: list[str]
) -> None:
    table, pool = make_pool(tmp_path, num_classes=2, per_class=9, chosen=3)
    drawn = draw_contact_sheet(table, pool)
    for row in (0, 1):
        assert shown_images(drawn, row) == [2, 1, 0, None, 8, 7, 6, 5], "broken files are not opened"
    title, *columns, first_name, _ = texts
    assert "of 2 classes" not in title
    assert columns == ["1", "2", "3"]
    assert first_name.endswith("...")


def test_what_was_rejected_is_framed(tmp_path: Path) -> None:
    table, pool = make_pool(tmp_path, num_classes=1, per_class=3, chosen=2)
    red = np.all(np.asarray(draw_contact_sheet(table, pool)) == ImageColor.getrgb(FRAME), axis=-1)
    rows, columns = red.nonzero()
    x, y = cell_centre(0, 3)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(x, abs=1)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(y, abs=1)


def test_an_image_keeps_its_shape(tmp_path: Path) -> None:
    table, pool = make_pool(tmp_path, num_classes=1, per_class=1, chosen=1)
    Image.new("RGB", (300, 100), "black").save(tmp_path / "class_00" / "0.png")
    (x, y), half = cell_centre(0, 0), CELL // 2
    cell = draw_contact_sheet(table, pool).crop((x - half, y - half, x + half, y + half))
    rows, columns = (np.asarray(cell) == 0).all(axis=-1).nonzero()
    assert np.ptp(columns) + 1 == pytest.approx(3 * (np.ptp(rows) + 1), abs=3)


def test_the_file_has_the_size_of_its_picture(tmp_path: Path) -> None:
    table, pool = make_pool(tmp_path, num_classes=3, per_class=6, chosen=2)
    drawn = np.asarray(draw_contact_sheet(table, pool))
    with Image.open(write_contact_sheet(tmp_path / "sheet.png", table, pool)) as image:
        assert image.format == "PNG"
        assert image.size == (drawn.shape[1], drawn.shape[0])
        x, y = cell_centre(2, 1)
        assert np.array_equal(np.asarray(image)[y, x, :3], drawn[y, x]), "its images are not moved"


def test_many_classes_and_many_images_are_cut_and_said(tmp_path: Path, texts: list[str]) -> None:
    table, pool = make_pool(tmp_path, num_classes=22, per_class=12, chosen=12)
    drawn = draw_contact_sheet(table, pool)
    assert all(shown_images(drawn, row)[:10] == list(range(11, 1, -1)) for row in range(20))
    assert not any(image is not None for image in shown_images(drawn, 0)[10:]), "none is rejected"
    assert "first 20 of 22 classes" in texts[0]
