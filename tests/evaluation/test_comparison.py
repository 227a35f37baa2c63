"""Means, deviations and paired intervals, against SciPy and against sums by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from semdd_lightning.errors import ConfigError
from semdd_lightning.evaluation.comparison import Cell, comparison_table, paired_difference

ACCURACY = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.tuples(ACCURACY, ACCURACY), min_size=2, max_size=12))
def test_interval_is_that_of_a_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    values, baseline = (list(column) for column in zip(*pairs, strict=True))
    found = paired_difference(values, baseline)
    difference = np.subtract(values, baseline)
    assert found.mean == pytest.approx(difference.mean(), abs=1e-9)
    assert found.half_width is not None
    if np.ptp(difference) < 1e-9:  # SciPy gives no interval where nothing varies
        assert found.half_width == pytest.approx(0, abs=1e-8)
        return
    interval = ttest_rel(values, baseline).confidence_interval(0.95)
    assert found.mean - found.half_width == pytest.approx(interval.low, abs=1e-9)
    assert found.mean + found.half_width == pytest.approx(interval.high, abs=1e-9)


@given(st.lists(st.tuples(ACCURACY, ACCURACY), min_size=2, max_size=12))
def test_swapping_the_two_swaps_the_sign(pairs: list[tuple[float, float]]) -> None:
    values, baseline = (list(column) for column in zip(*pairs, strict=True))
    one, other = paired_difference(values, baseline), paired_difference(baseline, values)
    assert one.mean == -other.mean
    assert one.half_width == other.half_width


def test_one_seed_has_no_interval() -> None:
    found = paired_difference([0.5], [0.25])
    assert (found.mean, found.half_width) == (0.25, None)


def cells() -> list[Cell]:
    return [
        Cell("two_stage", 0, 0.50, 0.90),
        Cell("random", 0, 0.40, 0.80),
        Cell("random", 1, 0.30, 0.70),  # samplers need not come in one order of seeds
        Cell("two_stage", 1, 0.60, 0.70),
        Cell("two_stage", 2, 0.55, 0.80),
        Cell("random", 2, 0.50, 0.60),
    ]


def test_table_by_hand() -> None:
    table = comparison_table(cells(), "random")
    assert table.index.tolist() == ["two_stage", "random"], "in the order of the cells"
    assert table.index.name == "sampler"
    columns = ["labels", "n", "top1_mean", "top1_std", "top5_mean", "difference", "half_width"]
    assert table.columns.tolist() == columns
    row = table.loc["two_stage"]
    assert row["n"] == 3
    assert row["top1_mean"] == pytest.approx((0.5 + 0.6 + 0.55) / 3)
    assert row["top1_std"] == pytest.approx(0.05)  # deviations -0.05, 0.05, 0; squares over n - 1 = 2
    assert row["top5_mean"] == pytest.approx(0.8)
    differences = [0.10, 0.30, 0.05]
    assert row["difference"] == pytest.approx(0.15)
    spread = math.sqrt(sum((value - 0.15) ** 2 for value in differences) / 2)
    assert row["half_width"] == pytest.approx(4.302652729911275 * spread / math.sqrt(3))  # t(0.975; 2)
    assert table[["difference", "half_width"]].to_numpy()[1].tolist() == [0, 0]


def test_a_table_has_one_kind_of_labels() -> None:
    soft = [dataclasses.replace(cell, labels="online") for cell in cells()]
    assert comparison_table(soft, "random")["labels"].tolist() == ["online", "online"]
    assert comparison_table(cells(), "random")["labels"].tolist() == ["unknown", "unknown"]
    assert set(comparison_table([*soft[:5], cells()[5]], "random")["labels"]) == {"online"}
    mixed = [*soft[:5], dataclasses.replace(soft[5], labels="hard")]
    with pytest.raises(ConfigError, match="Expected runs on one kind of labels, found hard, online; make a"):
        comparison_table(mixed, "random")


def test_full_runs_and_others_are_no_table() -> None:
    short = [dataclasses.replace(cell, cut_short=("max_steps=1",)) for cell in cells()]
    assert comparison_table(short, "random")["n"].tolist() == [3, 3]
    with pytest.raises(
        ConfigError, match=r"two_stage with seed 0 cut short \(max_steps=1\) beside full ones"
    ):
        comparison_table([short[0], *cells()[1:]], "random")


def test_table_by_pandas() -> None:
    generator = np.random.default_rng(0)
    runs = [Cell(name, seed, generator.random()) for seed in range(5) for name in ("a", "b", "c")]
    table = comparison_table(runs, "b")
    frame = pd.DataFrame([vars(run) for run in runs])
    expected = frame.groupby("sampler")["top1"].agg(["count", "mean", "std"])
    assert np.allclose(table[["n", "top1_mean", "top1_std"]].to_numpy(dtype=float), expected.to_numpy())
    assert table["top5_mean"].isna().all()


def test_the_order_of_seeds_does_not_matter() -> None:
    one = comparison_table(cells(), "random")
    other = comparison_table([*reversed(cells())], "random").loc[one.index]
    pd.testing.assert_frame_equal(one, other)


def test_one_seed() -> None:
    table = comparison_table(cells()[:2], "random")
    assert table["n"].tolist() == [1, 1]
    assert table[["top1_std", "half_width"]].isna().to_numpy().all()
    assert table.loc["two_stage", "difference"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("runs", "baseline"),
    [
        (cells()[:3], "random"),
        (cells(), "k_center"),
        ([*cells(), Cell("herding", 3, 0.5)], "random"),
    ],
)
def test_missing_cells_are_named(runs: list[Cell], baseline: str) -> None:
    with pytest.raises(ConfigError, match=rf"baseline '{baseline}' with the same seeds, found .*'random', 0"):
        comparison_table(runs, baseline)


def test_no_cells() -> None:
    with pytest.raises(ConfigError, match="found none"):
        comparison_table([], "random")


def test_a_cell_that_ran_twice() -> None:
    with pytest.raises(ConfigError, match=r"once, found .*'random', 0"):
        comparison_table([*cells(), Cell("random", 0, 0.1)], "random")
