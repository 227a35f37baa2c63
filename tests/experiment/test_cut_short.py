"""A result says what was done: every way to end a training early or to see less of a split is marked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from semdd_lightning.cli.main import main
from semdd_lightning.records import DIGEST, write_record
from tests.cli.run_files import read

MANY = ("--data.evaluation_batch_size=300", "--trainer.check_val_every_n_epoch=1")
VALIDATION = "--data.validation={class_path: DigitsImages, init_args: {split: train, image_size: 16}}"
STOPPING = (
    "--trainer.callbacks+=EarlyStopping",
    "--trainer.callbacks.monitor=train_loss",
    "--trainer.callbacks.stopping_threshold=1000",
    "--trainer.check_val_every_n_epoch=1",
)


def result_of(run: Path) -> dict[str, Any]:
    result: dict[str, Any] = read(run / "result.json")
    return result


@pytest.mark.parametrize(
    ("options", "steps", "passes", "ended_by"),
    [
        (("--data.batch_size=10", "--trainer.max_steps=1"), 1, 0, "max_steps=1"),
        (("--data.batch_size=10", "--trainer.limit_train_batches=1"), 2, 0, "limit_train_batches=1"),
        (("--data.batch_size=10", "--trainer.limit_train_batches=0.5"), 2, 0, "limit_train_batches=0.5"),
        (("--data.batch_size=10", "--trainer.overfit_batches=1"), 2, 0, "overfit_batches=1"),
        (("--trainer.limit_train_batches=0",), 0, 0, "limit_train_batches=0"),
        (("--trainer.max_time=00:00:00:00",), 0, 0, "max_time"),
        (STOPPING, 1, 1, "EarlyStopping on train_loss"),
    ],
)
def test_a_training_that_ends_early(
    fit: Callable[..., Path],
    options: tuple[str, ...],
    steps: int,
    passes: int,
    ended_by: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = result_of(fit(*options))
    training = result["training"]
    assert (training["steps"], result["passes"], training["ended_by"]) == (steps, passes, ended_by)
    assert result["cut_short"][0].endswith(f"of 2 passes): {ended_by}")
    assert "after the last pass" not in result["measured"].values()
    text = capsys.readouterr().out
    assert "no full run" in text
    assert "after the last pass" not in text


@pytest.mark.parametrize("limit", ["1", "0.5", "0"])
def test_a_test_of_part_of_the_split(fit: Callable[..., Path], limit: str) -> None:
    result = result_of(fit(*MANY, f"--trainer.limit_test_batches={limit}"))
    seen = result["evaluated"].get("test", 0)
    assert seen == {"1": 299, "0.5": 299, "0": 0}[limit]
    assert ("test_top1" in result["metrics"]) == (seen > 0)
    given = float(limit) if "." in limit else int(limit)
    assert result["cut_short"] == [f"tested on {seen} of 896 images: limit_test_batches={given}"]


def test_a_validation_says_when_and_on_what(fit: Callable[..., Path]) -> None:
    every_other = ("--data.passes=3", "--trainer.check_val_every_n_epoch=2", "--trainer.limit_val_batches=1")
    result = result_of(fit(*MANY, VALIDATION, *every_other))
    assert result["evaluated"] == {"validation": 226, "test": 896}
    assert result["measured"] == {"validation": "after pass 2 of 3", "test": "after the last pass"}
    assert result["cut_short"] == ["validated on 226 of 901 images: limit_val_batches=1"]


@pytest.mark.parametrize("trial", ["true", "2"])
def test_a_trial_writes_no_accuracy(
    fit: Callable[..., Path], trial: str, capsys: pytest.CaptureFixture[str]
) -> None:
    best = "--trainer.callbacks+=semdd_lightning.training.BestOfEvaluations"
    result = result_of(fit(f"--trainer.fast_dev_run={trial}", best))
    assert (result["metrics"], result["best"]) == ({}, None)
    assert result["cut_short"][0].startswith("a trial without an accuracy: fast_dev_run=")
    assert "top-1 " not in capsys.readouterr().out.replace("test top-1 is", "")


def test_old_students_are_reported_by_their_checkpoint(
    fit: Callable[..., Path], run_directories: Callable[[], list[Path]]
) -> None:
    run = fit("--data.batch_size=10", "--trainer.max_steps=1")
    again = (f"--config={run / 'config.yaml'}", f"--ckpt_path={run / 'last.ckpt'}", *MANY)
    for command, split, limit in (("test", "test", "test"), ("predict", "predict", "predict")):
        assert main([command, *again, f"--trainer.limit_{limit}_batches=1"]) == 0
        result = result_of(run_directories()[-1])
        assert result["evaluated"] == {split: 299}
        assert result["measured"] == {split: "after 1 of 4 steps"}
        assert result["cut_short"][0].startswith("trained 1 of 4 steps")
        assert "299 of 896 images" in result["cut_short"][1]
    table = pd.read_csv(run_directories()[-1] / "predictions.csv")
    assert len(table) == 299


def test_all_tests_of_a_best_one_stay(fit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    measure = "semdd_lightning.training.progress.accuracy_on_test"

    def accuracy(*_: object) -> float:
        asked.append(1)
        return 0.125

    monkeypatch.setattr(measure, accuracy)
    best = ("--trainer.callbacks+=semdd_lightning.training.BestOfEvaluations", "--trainer.callbacks.every=1")
    result = result_of(fit("--data.passes=3", *best))
    assert result["best"]["tests"] == {"1": 0.125, "2": 0.125, "3": result["metrics"]["test_top1"]}
    assert len(asked) == 2, "the last is the run's own"
    assert "best_of_3" in result["quirks"]


def test_a_comparison_of_such_runs(
    small: tuple[str, ...], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", *small, "--samplers", "random", "relevance", "--seeds", "0", "--out", "out"]
    assert main([*words, "--trainer.limit_test_batches=1", *MANY]) == 0
    text = capsys.readouterr().out
    assert "Test accuracy of runs that were cut short" in text
    assert "tested on 299 of 896 images" in text
    result = workplace / "out" / "random-seed0" / "result.json"
    content = {name: value for name, value in read(result).items() if name != DIGEST}
    write_record(result, content | {"cut_short": []})
    assert main([*words, "--trainer.limit_test_batches=1", *MANY]) == 0
    text = capsys.readouterr().out
    assert text.count("Test accuracy: ") == 1
    assert "Not counted: relevance with seed 0 (cut short, " in text, "they share no table with full ones"


def test_a_comparison_of_trials_is_refused(refused: Callable[..., str], small: tuple[str, ...]) -> None:
    words = ("--samplers", "random", "--seeds", "0", "--trainer.fast_dev_run=true")
    assert "found a trial without an accuracy: fast_dev_run=True" in refused("compare", *small, *words)
