"""DD-Ranking's scores by its formulas, from runs of one grid or with what is missing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.evaluation import (
    augmentation_robust_score,
    cell_table,
    dd_ranking,
    label_robust_score,
    sampler_table,
)
from semdd_lightning.evaluation.cells import Cell
from tests.evaluation.grids import runs

SHARE = st.floats(0, 1)


@given(SHARE, SHARE, SHARE, SHARE)
def test_scores_lie_between_0_and_1(real_hard: float, hard: float, any_label: float, random: float) -> None:
    score = label_robust_score(real_hard=real_hard, hard=hard, any_label=any_label, random=random)
    improvement, loss = any_label - random, real_hard - hard
    alpha = 0.5 * improvement - 0.5 * loss
    assert score == pytest.approx((math.exp(alpha) - math.exp(-1)) / (math.e - math.exp(-1)))
    assert -1e-9 <= score <= 1 + 1e-9


def test_the_ends_and_the_middle() -> None:
    assert label_robust_score(real_hard=0, hard=1, any_label=1, random=0) == pytest.approx(1)
    assert label_robust_score(real_hard=1, hard=0, any_label=0, random=1) == pytest.approx(0)
    even = augmentation_robust_score(augmented=0.5, random_augmented=0.5, plain=0.2, random_plain=0.2)
    assert even == pytest.approx((1 - math.exp(-1)) / (math.e - math.exp(-1)))


def whole_grid() -> list[Cell]:
    return [
        *runs({"random": [0.2, 0.4], "top": [0.5, 0.5]}, protocol="hard"),
        *runs({"random": [0.4], "top": [0.6]}, protocol="soft", labels="online"),
        *runs({"random": [0.1], "top": [0.3]}, protocol="plain"),
        *runs({"real": [0.8, 0.9]}, protocol="hard", ipc=1),
    ]


def test_from_the_runs_of_a_grid() -> None:
    found = dd_ranking(sampler_table(cell_table(whole_grid()), "random")).set_index("protocol")
    assert found.index.tolist() == ["hard", "soft"], "neither of random and real runs nor of the plain ones"
    hard, soft = found.loc["hard"], found.loc["soft"]
    assert hard["lrs"] == pytest.approx(
        label_robust_score(real_hard=0.85, hard=0.5, any_label=0.5, random=0.3)
    )
    assert soft["lrs"] == pytest.approx(
        label_robust_score(real_hard=0.85, hard=0.5, any_label=0.6, random=0.4)
    )
    expected = augmentation_robust_score(augmented=0.5, random_augmented=0.3, plain=0.3, random_plain=0.1)
    assert hard["ars"] == pytest.approx(expected)
    assert found["ars"].isna().tolist() == [False, True]
    assert hard["missing"] == ""
    assert soft["missing"].split("; ") == [
        "ARS needs the sampler itself with online labels, protocol plain",
        "ARS needs random with online labels, protocol plain",
    ]


def test_what_is_missing_is_said_in_place_of_a_number() -> None:
    without_real = [cell for cell in whole_grid() if cell.axes["sampler"] != "real"]
    found = dd_ranking(sampler_table(cell_table(without_real), "random"))
    assert found["lrs"].isna().all()
    assert found["missing"].str.startswith("LRS needs real with hard labels, protocol hard").all()
    soft = [cell for cell in whole_grid() if cell.axes["protocol"] == "soft"]
    (row,) = dd_ranking(sampler_table(cell_table(soft), "random")).to_dict("records")
    words = "with hard labels and augmentation"
    assert f"LRS needs real {words}; LRS needs the sampler itself {words}; ARS needs" in row["missing"]
