"""Agreement of students on samplers, and none across labels or budgets."""

from __future__ import annotations

import pytest
from scipy.stats import kendalltau

from semdd_lightning.evaluation import cell_table, sampler_table, student_agreement
from tests.evaluation.grids import grid, runs


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
