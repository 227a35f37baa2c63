"""The measurement of growth, on pools of a few images."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmarks import growth
from benchmarks.growth import Cost, Curve


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "in_a_process", lambda measured, *args: measured(*args))


def test_selection_is_measured_over_pool_and_ipc() -> None:
    pool, ipc = growth.selection_curves(num_classes=3, images_per_class=4, ipc=1, rounds=1)
    assert pool.sizes == [12, 24, 48, 96]
    assert ipc.sizes == [1, 2, 4, 8]
    assert all(seconds > 0 for seconds in pool.seconds + ipc.seconds)


def test_embedding_is_measured_over_the_pool() -> None:
    curve = growth.embedding_curve(images=10, rounds=1)
    assert curve.sizes == [10, 20, 40, 80]
    assert all(seconds > 0 for seconds in curve.seconds)


def test_a_line_is_told_from_a_parabola(tmp_path: Path) -> None:
    curves = [
        Curve("line", "images", [1, 2, 4, 8], [Cost([float(2 * n)], 5.0 + n) for n in (1, 2, 4, 8)]),
        Curve("parabola", "images", [1, 2, 4, 8], [Cost([float(n * n)], 5.0 + n / 8) for n in (1, 2, 4, 8)]),
    ]
    straight, memory, bent = growth.summary(curves).ratios  # the parabola's memory hardly grows
    assert memory.name == "R^2 of a line, line, memory over images"
    assert memory.value == pytest.approx(1.0)
    assert straight.value == pytest.approx(1.0)
    assert bent.value < growth.STRAIGHT < straight.value
    growth.draw(curves, tmp_path / "growth.png")
    with Image.open(tmp_path / "growth.png") as picture:
        assert picture.width > 500
