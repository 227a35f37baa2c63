"""The greedy samplers and other packages' choose alike."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import greedy_stage
from benchmarks.greedy_stage import one_class, our_facility_location, our_k_center, plain_k_center


def naive_facility_location(vectors: greedy_stage.Vectors, ipc: int) -> greedy_stage.Picks:
    picks: list[int] = []
    for _ in range(ipc):
        gains = [greedy_stage.facility_value(vectors, np.array([*picks, i])) for i in range(len(vectors))]
        picks.append(int(np.argmax(gains)))
    return np.array(picks)


def test_the_contestants_choose_the_same_images() -> None:
    vectors = one_class(60, 16)
    assert our_k_center(vectors, 8).tolist() == plain_k_center(vectors, 8).tolist()
    expected = naive_facility_location(vectors, 6)
    assert our_facility_location(vectors, 6).tolist() == expected.tolist()


def test_apricot_chooses_the_same_images() -> None:
    pytest.importorskip("apricot")
    vectors = one_class(60, 16)
    theirs = greedy_stage.apricot_facility_location(vectors, 6)
    assert theirs.tolist() == our_facility_location(vectors, 6).tolist()


def test_it_reports_speed_and_objectives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greedy_stage, "apricot_facility_location", naive_facility_location)
    result = greedy_stage.measure(num_images=40, dim=8, ipc=4, rounds=1)
    assert [
        round(ratio.value, 9)
        for ratio in result.ratios
        if "objective" in ratio.name or "radius" in ratio.name
    ] == [1.0, 1.0]
    assert result.figures["mean similarity to the nearest pick, %"] <= 100
