"""The picture of what was chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from semdd_lightning.pools import ClassFolders, Pool
from semdd_lightning.report import write_contact_sheet
from semdd_lightning.report.contact_sheet import CELL, draw_contact_sheet


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


def test_chosen_images_stand_in_pick_order_and_the_worst_rejected_beside(tmp_path: Path) -> None:
    table, pool = make_pool(tmp_path, num_classes=2, per_class=9, chosen=3)
    figure = draw_contact_sheet(table, pool)
    shown = [int(axes.get_images()[0].get_array()[0, 0, 0]) // 20 for axes in figure.axes]  # type: ignore[index]
    assert shown == [2, 1, 0, 8, 7, 6, 5] * 2, "broken files are not opened"
    assert "of 2 classes" not in figure.get_suptitle()
    assert figure.axes[0].get_ylabel().endswith("...")


def test_the_file_has_the_size_of_its_grid(tmp_path: Path) -> None:
    table, pool = make_pool(tmp_path, num_classes=3, per_class=6, chosen=2)
    path = write_contact_sheet(tmp_path / "sheet.png", table, pool)
    with Image.open(path) as image:
        assert image.format == "PNG"
        width, height = image.size
    assert width == pytest.approx(120 * CELL * (2 + 4 + 1 + 1.5), abs=2)
    assert height == pytest.approx(120 * (CELL * 3 + 0.6), abs=2)


def test_many_classes_and_many_images_are_cut_and_said(tmp_path: Path) -> None:
    table, pool = make_pool(tmp_path, num_classes=22, per_class=12, chosen=12)
    figure = draw_contact_sheet(table, pool)
    assert len(figure.axes) == 20 * 10, "10 of 12 chosen, none rejected"
    assert "first 20 of 22 classes" in figure.get_suptitle()
