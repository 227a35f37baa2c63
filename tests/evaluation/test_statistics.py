"""Means, intervals, p-values and powers, against SciPy and against numbers of statsmodels 0.14."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import sem, ttest_1samp, ttest_rel

from semdd_lightning.evaluation import (
    Estimate,
    estimate,
    holm,
    over_seeds,
    paired_difference,
    seeds_needed,
    verdict,
)
from semdd_lightning.evaluation.statistics import NOTHING, SEEDS

ACCURACY = st.floats(0, 1, allow_nan=False)
PAIRS = st.lists(st.tuples(ACCURACY, ACCURACY), min_size=2, max_size=12)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(PAIRS)
def test_a_difference_is_that_of_scipys_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    values, baseline = (np.array(column) for column in zip(*pairs, strict=True))
    found = paired_difference(values, baseline)
    assert found.n == len(pairs)
    assert found.mean == pytest.approx((values - baseline).mean(), abs=1e-12)
    assert found.std is not None
    if (values - baseline).std(ddof=1) < NOTHING:
        assert (found.std, found.half_width, found.p_value) == (0, None, None)
        return
    assert found.std == pytest.approx((values - baseline).std(ddof=1))
    expected = ttest_rel(values, baseline)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    interval = expected.confidence_interval(0.95)
    assert found.half_width is not None
    assert found.p_value is not None
    assert found.mean - found.half_width == pytest.approx(interval.low, abs=1e-9)
    assert found.mean + found.half_width == pytest.approx(interval.high, abs=1e-9)
    assert (found.p_value < 0.05) == (interval.low > 0 or interval.high < 0), "they say the same"


@given(PAIRS)
def test_swapping_the_two_swaps_the_sign(pairs: list[tuple[float, float]]) -> None:
    values, baseline = (list(column) for column in zip(*pairs, strict=True))
    one, other = paired_difference(values, baseline), paired_difference(baseline, values)
    assert one.mean == -other.mean
    assert (one.half_width, one.p_value) == (other.half_width, other.p_value)


def test_numbers_of_one_sample() -> None:
    values = [0.52, 0.48, 0.55, 0.50, 0.47]
    found = estimate(values)
    assert found.half_width == pytest.approx(2.7764451051977987 * sem(values))  # t(0.975; 4)
    assert found.p_value == pytest.approx(ttest_1samp(values, 0).pvalue)
    assert estimate([0.5]) == Estimate(1, 0.5)
    assert np.isnan(estimate([]).mean)
    assert estimate([]).n == 0


def test_accuracies_that_differ_by_rounding_alone_do_not_vary() -> None:
    one = np.array([0.4, 0.6, 0.5], dtype=np.float32)
    other = one - np.float32(0.1)
    assert paired_difference(one, other).p_value is None


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [  # statsmodels.stats.multitest.multipletests(..., method="holm")
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9, 0.0001], [1.0, 1.0, 0.0003]),
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holm_as_statsmodels_has_it(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected)


@given(P_VALUES)
def test_holm_lies_between_no_correction_and_bonferronis(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for p_value, found in zip(p_values, corrected, strict=True):
        assert p_value <= found <= min(1, len(p_values) * p_value)
    in_order = [found for _, found in sorted(zip(p_values, corrected, strict=True))]
    assert in_order == sorted(in_order)


@pytest.mark.parametrize(
    ("effect", "comparisons", "continuous"),
    [  # statsmodels.stats.power.TTestPower().solve_power(effect, alpha=0.05 / comparisons, power=0.8)
        (0.1, 1, 786.80880940181792),
        (0.3, 1, 89.14936472045834),
        (0.3, 5, 133.09607359566203),
        (0.5, 1, 33.36713118431779),
        (1.0, 1, 9.93785094105438),
        (1.0, 5, 15.08070208589992),
        (2.0, 1, 4.22071858501904),
        (3.0, 5, 4.555636055981827),
        (5.0, 1, 2.4824027270248337),
    ],
)
def test_seeds_needed_as_statsmodels_has_them(effect: float, comparisons: int, continuous: float) -> None:
    for sign in (-1, 1):
        found = seeds_needed(Estimate(2, sign * effect * 0.02, 0.02), comparisons)
        assert found == int(np.ceil(continuous))


def test_hardly_any_effect_needs_more_seeds_than_anybody_runs() -> None:
    assert seeds_needed(Estimate(5, 0.0002, 0.01)) is None
    assert seeds_needed(Estimate(5, 0.0, 0.01)) is None
    assert seeds_needed(Estimate(5, 0.1, 0.1 / 500)) == 6
    assert seeds_needed(Estimate(1, 0.1)) is None, "one seed does not say how much they vary"


def by_seeds(values: dict[tuple[int, int], float]) -> pd.Series[float]:
    return pd.Series(list(values.values()), pd.MultiIndex.from_tuples(list(values), names=SEEDS))


def test_runs_that_share_no_seed_are_independent() -> None:
    paired = {(seed, seed): value for seed, value in enumerate([0.1, 0.3, 0.2])}
    assert over_seeds(by_seeds(paired)) == estimate([0.1, 0.3, 0.2])
    one_selection = {(0, seed): value for seed, value in enumerate([0.1, 0.3, 0.2])}
    assert over_seeds(by_seeds(one_selection)) == estimate([0.1, 0.3, 0.2])
    assert over_seeds(by_seeds(paired)[:0]).n == 0


def test_runs_that_share_seeds_are_averaged_first() -> None:
    """Three choices with three students each are no nine."""
    of_selection, of_training = [0.0, 0.3, 0.6], [0.0, 0.01, 0.02]
    values = by_seeds({(i, j): of_selection[i] + of_training[j] for i in range(3) for j in range(3)})
    found = over_seeds(values)
    assert found.n == 3
    assert found.mean == pytest.approx(0.31)
    assert found.std == pytest.approx(0.3), "the seed that changes more"
    swapped = values.swaplevel()
    swapped.index.names = list(SEEDS)
    assert over_seeds(swapped).half_width == found.half_width


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
