from __future__ import annotations

import pytest

from semdd_lightning.report import readable_size


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (3 * 2**40, "3.00 TiB"), (5 * 2**50, "5120.00 TiB")],
)
def test_sizes(count: int, words: str) -> None:
    assert readable_size(count) == words
