"""Words, interval and corrected p-value of a difference never contradict each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.evaluation import Estimate, estimate, holm, seeds_needed, verdict

DIFFERENCES = st.lists(
    st.lists(st.floats(-0.2, 0.2, allow_nan=False), min_size=2, max_size=6), min_size=1, max_size=6
)


@given(DIFFERENCES)
def test_nothing_is_called_better_whose_interval_holds_zero(differences: list[list[float]]) -> None:
    found = [estimate(values) for values in differences]
    tested = [one for one in found if one.p_value is not None]
    for one, corrected in zip(tested, holm([one.p_value or 0.0 for one in tested]), strict=True):
        said = verdict(one, corrected, seeds_needed(one, len(tested)))
        assert one.half_width is not None
        assert (said in ("better", "worse")) == (corrected < 0.05)
        if said == "better":
            assert one.mean - one.half_width > 0
        if said == "worse":
            assert one.mean + one.half_width < 0


@pytest.mark.parametrize(
    ("difference", "corrected", "needed", "words"),
    [
        (Estimate(0, float("nan")), None, None, "no seed in common with the baseline"),
        (Estimate(1, 0.3), None, None, "cannot be told with one seed"),
        (Estimate(3, 0.0, 0.0), None, None, "the same with all 3 seeds"),
        (
            Estimate(3, 0.1, 0.0),
            None,
            None,
            "cannot be told: one difference with all 3 seeds, which shows no",
        ),
        (Estimate(5, 0.1, 0.1, 0.12, 0.05), 0.05, 12, "cannot be told with 5 seeds; about 12 would do"),
        (
            Estimate(5, 0.001, 0.1, 0.12, 0.9),
            0.9,
            None,
            "cannot be told with 5 seeds; no number up to 1,000 would do",
        ),
        (Estimate(5, -0.3, 0.1, 0.12, 0.003), 0.009, None, "worse"),
        (Estimate(5, 0.3, 0.1, 0.12, 0.03), 0.06, 7, "cannot be told with 5 seeds; about 7 would do"),
    ],
)
def test_words(difference: Estimate, corrected: float | None, needed: int | None, words: str) -> None:
    assert verdict(difference, corrected, needed).startswith(words)
