"""Learning and embedding, timed in turns at a tiny size."""

from __future__ import annotations

import pytest

from benchmarks import learning_cost


def test_both_are_done_anew_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[int] = []
    learn_pool = learning_cost.learn_pool

    def counted(*args: object, **options: object) -> None:
        found = learn_pool(*args, **options)  # type: ignore[arg-type]
        learned.append(len(found.log_posteriors))

    monkeypatch.setattr(learning_cost, "learn_pool", counted)
    write_model = learning_cost.write_model
    tiny = {"image_size": 32, "patch_size": 16, "width": 64, "head_width": 32}
    monkeypatch.setattr(
        learning_cost, "write_model", lambda folder, **sizes: write_model(folder, **sizes, **tiny)
    )
    result = learning_cost.quick()
    assert learned == [16] * 2  # of the round that does not count, too
    assert [len(seconds) for seconds in result.seconds.values()] == [1, 1]
    (ratio,) = result.ratios
    assert ratio.value > 0
    assert ratio.bar is None
