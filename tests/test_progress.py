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


def test_the_number_of_images_need_not_be_known() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with image_progress("Listing images", None, console=console) as advance:
        advance(7)
    assert "7/?" in stream.getvalue()
