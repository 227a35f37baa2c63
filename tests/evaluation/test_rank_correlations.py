"""Rank correlations of what was chosen with accuracy."""

from __future__ import annotations

import pytest
from scipy.stats import kendalltau, spearmanr

from semdd_lightning.evaluation import cell_table, metric_correlations, sampler_table, student_agreement
from tests.evaluation.grids import cell, grid, runs


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
