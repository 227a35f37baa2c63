"""Tables of samplers, by sums of hand and by pandas, on grids with holes; correlations of ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr, ttest_rel

from semdd_lightning.errors import ConfigError
from semdd_lightning.evaluation import (
    cell_table,
    default_baseline,
    metric_correlations,
    sampler_table,
    slices,
    student_agreement,
)
from tests.evaluation.grids import cell, grid, runs


def three_samplers() -> pd.DataFrame:
    return cell_table(
        runs({"two_stage": [0.50, 0.60, 0.55], "k_center": [0.2, 0.3, 0.1], "random": [0.4, 0.3, 0.5]})
    )


def test_by_hand_and_by_scipy() -> None:
    table = sampler_table(three_samplers(), "random").set_index("sampler")
    assert table.index.tolist() == ["two_stage", "k_center", "random"], "in the order of the grid"
    assert table["labels"].tolist() == ["hard"] * 3
    row = table.loc["two_stage"]
    assert (row["n"], row["pairs"], row["wins"], row["losses"]) == (3, 3, 3, 0)
    assert row["top1_mean"] == pytest.approx(0.55)
    assert row["top1_std"] == pytest.approx(0.05)  # deviations -0.05, 0.05, 0; squares over n - 1 = 2
    assert row["difference"] == pytest.approx(0.15)
    p_values = [ttest_rel(values, [0.4, 0.3, 0.5]).pvalue for values in ([0.5, 0.6, 0.55], [0.2, 0.3, 0.1])]
    assert table["p_value"][:2].tolist() == pytest.approx(p_values)
    assert p_values[0] < p_values[1] < 2 * p_values[0]
    assert table["p_holm"][:2].tolist() == pytest.approx([2 * p_values[0]] * 2), "never below a smaller one's"
    assert table.loc["random", "verdict"] == "baseline"
    assert table["difference"].isna().tolist() == [False, False, True]


def test_by_pandas_on_a_whole_grid() -> None:
    cells = cell_table(grid())
    table = sampler_table(cells, "random")
    keys = ["pool", "ipc", "student", "labels", "sampler"]
    expected = cells.groupby(keys, sort=False)[["top1", "top5"]].agg(["mean", "std"])
    assert len(table) == 2 * 2 * 2 * 2 * 3
    assert table[["top1_mean", "top1_std", "top5_mean", "top5_std"]].to_numpy() == pytest.approx(
        expected.to_numpy()
    )
    assert set(table.loc[table["sampler"] == "two_stage", "verdict"]) == {"better"}
    assert table["embed_seconds"].unique().tolist() == [3.0], (
        "what was done once counts, not the mean with zeros"
    )
    assert table["train_seconds"].unique().tolist() == [2.0]


def test_seeds_that_only_one_of_two_has_are_left_out_of_their_difference() -> None:
    cells = [
        *runs({"random": [0.4, 0.3, 0.5]}),
        cell("two_stage", 1, 0.5),
        cell("two_stage", 2, 0.6),
        cell("two_stage", 9, 0.0),
    ]
    row = sampler_table(cell_table(cells), "random").set_index("sampler").loc["two_stage"]
    assert (row["n"], row["pairs"]) == (3, 2)
    assert row["difference"] == pytest.approx(0.15)
    assert row["top1_mean"] == pytest.approx(1.1 / 3)


def test_failed_waiting_and_short_runs_are_never_zeros() -> None:
    cells = [
        *runs({"random": [0.4, 0.3], "two_stage": [0.5]}),
        cell("two_stage", 1, state="failed", error="Expected memory, found none; buy some."),
        cell("k_center", 0),
        cell("k_center", 1, 0.01, cut_short=["max_steps=1"]),
    ]
    (part,) = slices(cell_table(cells))
    assert part.left_out[["sampler", "state"]].to_numpy().tolist() == [
        ["two_stage", "failed"], ["k_center", "waiting"], ["k_center", "finished"]
    ]  # fmt: skip
    table = sampler_table(cell_table(cells), "random").set_index("sampler")
    assert table.index.tolist() == ["random", "two_stage"]
    assert table.loc["two_stage", "top1_mean"] == 0.5
    assert table.loc["two_stage", "verdict"] == "cannot be told with one seed"


def test_where_all_runs_were_cut_short_they_are_a_table_that_says_so() -> None:
    short = [
        replace(one, cut_short=["max_steps=1"]) for one in runs({"random": [0.4, 0.3], "top": [0.5, 0.4]})
    ]
    (part,) = slices(cell_table(short))
    assert (len(part.counted), part.cut_short) == (4, "max_steps=1")
    assert part.left_out.empty


def test_hard_and_soft_labels_of_one_protocol_are_two_tables() -> None:
    cells = [*runs({"random": [0.4, 0.5], "top": [0.5, 0.6]}), *runs({"top": [0.9, 0.9]}, labels="online")]
    places = [part.place["labels"] for part in slices(cell_table(cells))]
    assert places == ["hard", "online"]
    soft = sampler_table(cell_table(cells), "random").query("labels == 'online'").iloc[0]
    assert soft["verdict"] == "no seed in common with the baseline"
    assert np.isnan(soft["difference"])


def test_one_seed_and_no_run_at_all() -> None:
    table = sampler_table(cell_table(runs({"random": [0.4], "top": [0.5]})), "random")
    assert table["verdict"].tolist() == ["baseline", "cannot be told with one seed"]
    assert table[["top1_std", "half_width", "p_value"]].isna().to_numpy().all()
    assert sampler_table(cell_table([cell("random", 0)]), "random").empty
    with pytest.raises(ConfigError, match="Expected a baseline out of no samplers, found 'random'"):
        sampler_table(cell_table([]), "random")


def test_a_baseline_of_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="baseline out of two_stage, k_center, random, found 'herding'"):
        sampler_table(three_samplers(), "herding")
    assert default_baseline(three_samplers()) == "random"
    assert default_baseline(three_samplers().query("sampler != 'random'")) == "k_center"


def test_the_order_of_cells_changes_no_number() -> None:
    cells = grid(2)
    one, other = (sampler_table(cell_table(order), "random") for order in (cells, cells[::-1]))
    keys = ["pool", "ipc", "student", "labels", "sampler"]
    pd.testing.assert_frame_equal(
        one.sort_values(keys, ignore_index=True), other.sort_values(keys, ignore_index=True), check_like=True
    )


def test_over_samplers_as_scipy_has_it() -> None:
    top1, coverage = [0.1, 0.5, 0.3, 0.4], [0.2, 0.9, 0.8, 0.7]
    cells = [
        cell(name, 0, accuracy, selection={"selection": {"coverage": covered, "mean_margin": None}})
        for name, accuracy, covered in zip("abcd", top1, coverage, strict=True)
    ]
    found = metric_correlations(sampler_table(cell_table(cells), "a")).set_index("metric")
    assert found.loc["coverage", "n"] == 4
    assert found.loc["coverage", "spearman"] == pytest.approx(spearmanr(top1, coverage).statistic)
    assert found.loc["mean_margin", "n"] == 0
    assert found["spearman"].isna().to_dict() == {"coverage": False, "mean_margin": True}


def test_two_samplers_or_a_constant_metric_tell_nothing() -> None:
    found = metric_correlations(sampler_table(cell_table(grid(2)), "random"))
    assert set(found["metric"]) == {"coverage", "zero_shot_accuracy"}
    assert found.loc[found["metric"] == "zero_shot_accuracy", "spearman"].isna().all()
    assert (found.loc[found["metric"] == "coverage", "spearman"] >= 0.5).all()
    two = [one for one in grid(2) if one.axes["sampler"] != "relevance"]
    assert metric_correlations(sampler_table(cell_table(two), "random"))["spearman"].isna().all()


def test_tau_of_two_students_as_scipy_has_it() -> None:
    small = {"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4]}
    large = {"a": [0.6], "b": [0.5], "c": [0.7], "e": [0.1]}
    cells = [*runs(small, student="conv3"), *runs(large, student="resnet18")]
    (found,) = student_agreement(sampler_table(cell_table(cells), "a")).to_dict("records")
    assert (found["student"], found["other"], found["n"]) == ("conv3", "resnet18", 3)
    assert found["kendall"] == pytest.approx(kendalltau([0.1, 0.2, 0.3], [0.6, 0.5, 0.7]).statistic)


def test_every_pair_once_in_each_place() -> None:
    found = student_agreement(sampler_table(cell_table(grid(2)), "random"))
    assert len(found) == 2 * 2 * 2, "pools, budgets and labels; one pair of students"
    one_student = [cell for cell in grid(2) if cell.axes["student"] == "conv3"]
    assert student_agreement(sampler_table(cell_table(one_student), "random")).empty
