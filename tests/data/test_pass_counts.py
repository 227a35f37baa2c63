from __future__ import annotations

from semdd_lightning.data.pass_counts import epochs_of


def test_epochs_are_whole() -> None:
    assert [epochs_of(300, per_epoch) for per_epoch in (1, 10, 300)] == [300, 30, 1]
    assert epochs_of(3, 4) == 1, "bookkeeping adapts"
    assert epochs_of(300, 7) == 50, "6 is the most up to 7 that divides 300"
