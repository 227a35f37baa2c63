"""Learning and embedding, timed in turns at a tiny size."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import learning_cost
from benchmarks.clip_encoding import write_model
from semdd_lightning.data.learning import Learned, learn_pool

TINY = {"image_size": 32, "patch_size": 16, "width": 64, "head_width": 32}


def test_both_are_done_anew_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[int] = []

    def counted(*args: object, **options: object) -> Learned:
        found = learn_pool(*args, **options)  # type: ignore[arg-type]
        learned.append(len(found.log_posteriors))
        return found

    def tiny(folder: Path, layers: int) -> Path:
        return write_model(folder, layers=layers, **TINY)

    monkeypatch.setattr("benchmarks.learning_cost.learn_pool", counted)
    monkeypatch.setattr("benchmarks.learning_cost.write_model", tiny)
    result = learning_cost.quick()
    assert learned == [16] * 2  # of the round that does not count, too
    assert [len(seconds) for seconds in result.seconds.values()] == [1, 1]
    (ratio,) = result.ratios
    assert ratio.value > 0
    assert ratio.bar is None
