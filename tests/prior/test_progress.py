from __future__ import annotations

import io

import pytest
from rich.console import Console

from semdd_lightning.prior.progress import encoding_progress


@pytest.mark.parametrize(
    ("total", "num_shards", "terminal", "show", "shown"),
    [
        (300, 1, True, True, True),
        (10, 2, True, True, True),
        (10, 1, True, True, False),
        (300, 2, False, True, False),
        (300, 2, True, False, False),
        (0, 0, True, True, False),
    ],
)
def test_a_bar_only_where_it_helps(
    total: int, num_shards: int, terminal: bool, show: bool, shown: bool
) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=120)
    with encoding_progress(total, num_shards, show=show, console=console) as advance:
        for _ in range(total):
            advance(1)
    assert (f"{total}/{total}" in stream.getvalue()) == shown
    assert ("images/s" in stream.getvalue()) == shown
