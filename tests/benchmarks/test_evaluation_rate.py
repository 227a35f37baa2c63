"""The contestants of evaluation, at a tiny size."""

from __future__ import annotations

import pytest

from benchmarks.evaluation_rate import Evaluation, measure


def test_ours_reports_the_accuracy_of_the_forward_pass() -> None:
    evaluation = Evaluation("conv3", 8, 600)
    found = evaluation.test()
    evaluation.keep_batches()
    logits = evaluation.forward_alone()
    labels = [int(label) for _, part in evaluation.batches for label in part]
    assert len(logits) == len(labels) == 600
    top1 = sum(int(row.argmax()) == label for row, label in zip(logits, labels, strict=True)) / 600
    assert found["test_top1"] == pytest.approx(top1)
    assert found["test_top1"] < found["test_top5"] < 1


def test_both_are_timed() -> None:
    result = measure("conv3", 8, 50, rounds=2)
    assert [len(seconds) for seconds in result.seconds.values()] == [2, 2]
    (ratio,) = result.ratios
    assert (ratio.name, ratio.bar) == ("limit / ours", None)
    assert ratio.value > 0
