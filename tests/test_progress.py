from __future__ import annotations

import io

import pytest
from rich.console import Console

from semdd_lightning.progress import image_progress


@pytest.mark.parametrize(
    ("after", "terminal", "show", "shown"),
    [(0, True, True, True), (600, True, True, False), (0, False, True, False), (0, True, False, False)],
)
def test_a_bar_only_where_it_helps(after: float, terminal: bool, show: bool, shown: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=120)
    with image_progress("Encoding images", 300, after=after, show=show, console=console) as advance:
        for _ in range(300):
            advance(1)
    assert ("300/300" in stream.getvalue()) == shown
    assert ("images/s" in stream.getvalue()) == shown
    assert bool(stream.getvalue()) == shown


@pytest.mark.parametrize("total", [400, None])
def test_a_line_every_half_minute_in_a_log(
    total: int | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr("semdd_lightning.progress.time.monotonic", lambda: now[0])
    caplog.set_level("INFO", logger="semdd_lightning")
    with image_progress("Encoding images", total, after=9, console=Console(file=io.StringIO())) as advance:
        for _ in range(20):  # a hundred seconds
            now[0] += 5
            advance(10)
    known = ["60 of 400, 2.0 images/s, about 0:02:50 to go"]
    known += [
        "120 of 400, 2.0 images/s, about 0:02:20 to go",
        "180 of 400, 2.0 images/s, about 0:01:50 to go",
    ]
    counted = [f"{count}, 2.0 images/s" for count in (60, 120, 180)]
    assert caplog.messages == [f"Encoding images: {line}" for line in (known if total else counted)]


def test_the_number_of_images_need_not_be_known() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with image_progress("Listing images", None, console=console) as advance:
        advance(7)
    assert "7/?" in stream.getvalue()
