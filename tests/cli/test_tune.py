"""`semdd tune`: trials are ordinary runs, out of reach of the test, gone on with, stopped where hopeless."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from semdd_lightning.cli.main import main
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.run.result import RunResult
from semdd_lightning.export import read_manifest, read_table
from semdd_lightning.studies import study

pytest.importorskip("optuna")
NOWHERE = {"class_path": "ClassFolders", "init_args": {"path": "/nowhere/at/all"}}
RATIO = "data.sampler.candidate_ratio"


@pytest.fixture
def words(small: tuple[str, ...], workplace: Path) -> list[str]:
    """A search whose test split does not exist, so that whoever touches it fails."""
    config = {"tune": {RATIO: [1.0, 4.0]}, "data": {"init_args": {"test": NOWHERE}}}
    (workplace / "search.yaml").write_text(yaml.safe_dump(config))
    return ["tune", *small, "--config=search.yaml", "--sampler=two_stage", "--out=tuned"]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Ratios of the runs that nobody makes, in their order; the accuracy is a tenth of the ratio."""
    made: list[float] = []

    def run(argv: list[str]) -> RunResult:
        (sampler,) = [word for word in argv if word.startswith("--data.init_args.sampler=")]
        ratio = yaml.safe_load(sampler.partition("=")[2])["init_args"]["candidate_ratio"]
        made.append(ratio)
        return RunResult("fit", [], None, metrics={"val_top1": ratio / 10})

    monkeypatch.setattr("semdd_lightning.studies.study.run_experiment", run)
    return made


def test_real_trials_never_touch_the_test_split(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--trials=1", "--seeds=0", "--held-out=4"]) == 0
    text = capsys.readouterr().out
    assert "The best of 1 trials" in text
    assert "semdd compare --config tuned/best.yaml --samplers two_stage random --seeds 0 1 2 3 4" in text
    run = Path("tuned/trial0000-seed0")
    made_with = yaml.safe_load((run / "config.yaml").read_text())["data"]["init_args"]
    assert made_with["test"] is None
    parts = [made_with[name]["init_args"] for name in ("pool", "validation")]
    assert [(part["held_out"], part["part"]) for part in parts] == [(4, "rest"), (4, "held_out")]
    assert len(read_table(run)) == 10 * (12 - 4), "what it is judged by cannot be chosen"
    trials = pd.read_csv("tuned/trials.csv")
    ratio = read_manifest(run).sampler["init_args"]["candidate_ratio"]
    assert trials[["trial", "state", RATIO]].to_numpy().tolist() == [["trial0000", "complete", ratio]]

    best = yaml.safe_load(Path("tuned/best.yaml").read_text())["data"]["init_args"]
    assert best["sampler"]["init_args"]["candidate_ratio"] == ratio
    assert best["test"]["init_args"]["path"] == "/nowhere/at/all", "the test is for the end"
    assert (best["pool"]["init_args"]["held_out"], best["validation"]) == (0, None)


def test_a_search_is_what_its_runs_found(words: list[str], refused: Callable[..., str]) -> None:
    words = [*words, "--trials=1", "--seeds=0", "--held-out=4"]
    assert main(words) == 0
    store = Path("tuned/study.db")
    whole = store.read_bytes()
    for change, found in (
        ("update trial_values set value = 0.5", "to say what its runs found, found 0.5 for trial0000"),
        ("update trial_params set param_value = 2", "found trial0000-seed0: another command, or damage"),
    ):
        with closing(sqlite3.connect(store)) as database:
            database.execute(change)
            database.commit()
        assert found in refused(*words)
        store.write_bytes(whole)
    for damage in (b"nothing of the kind", whole[:5000] + bytes(4000) + whole[9000:]):
        store.write_bytes(damage)
        assert "Expected to read and write the search in" in refused(*words)
    store.unlink()
    made = Path("tuned/trial0000-seed0/result.json").stat().st_mtime_ns
    assert main(words) == 0, "as the message says: the finished run is read"
    assert Path("tuned/trial0000-seed0/result.json").stat().st_mtime_ns == made
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("SEMDD_FIT__TRAINER__MAX_STEPS", "1")
        assert "to be new or of this very search" in refused(*words)


def test_a_trial_that_was_cut_short_is_no_trial(
    words: list[str], monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    cut = RunResult("fit", [], None, metrics={"val_top1": 0.9}, cut_short=["validated on 1 of 9 images"])
    monkeypatch.setattr(study, "run_experiment", lambda argv: cut)
    message = refused(*words, "--trials=2", "--seeds", "0")
    assert (
        "found none: Expected a whole training and its validation to judge by, found validated on" in message
    )
    assert not Path("tuned/best.yaml").exists()


def test_a_search_goes_on_where_it_was_stopped(
    words: list[str],
    runs: list[float],
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(step: Any) -> Any:  # noqa: ANN401 - a function
        def run(argv: list[str]) -> RunResult:
            if len(runs) == 5:  # in the third trial, after its first seed
                raise KeyboardInterrupt
            result: RunResult = step(argv)
            return result

        return run

    going: Callable[[list[str]], RunResult] = vars(study)["run_experiment"]
    monkeypatch.setattr(study, "run_experiment", stop(going))
    assert main([*words, "--trials=4", "--seeds", "0", "1"]) == 130
    assert len(runs) == 5
    assert "`semdd resume tuned` goes on." in capsys.readouterr().err
    monkeypatch.setattr(study, "run_experiment", going)
    assert main(["resume", "tuned"]) == 0
    assert runs[5:7] == [runs[4]] * 2, "the trial that was cut off begins again with its values"
    table = pd.read_csv("tuned/trials.csv")
    assert sorted(table["trial"]) == [f"trial000{number}" for number in (0, 1, 2, 4)], "in its own directory"
    assert table[RATIO].nunique() == 4
    assert table[RATIO].tolist() == sorted(table[RATIO], reverse=True), "the best first"

    before = len(runs)
    assert main([*words, "--trials=5", "--seeds", "0", "1"]) == 0
    assert 0 < len(runs) - before <= 2, "one more trial"
    message = refused(*words, "--trials=5", "--seeds", "0", "1", "--vary", f"{RATIO}=[1.0,2.0]")
    assert "tuned to be new or of this very search" in message


def test_hopeless_trials_are_stopped_and_broken_ones_recorded(
    words: list[str], runs: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    going: Callable[[list[str]], RunResult] = vars(study)["run_experiment"]

    def run(argv: list[str]) -> RunResult:
        result: RunResult = going(argv)
        if len(runs) == 1:
            msg = "Expected luck, found none; try again."
            raise ConfigError(msg)
        return result

    monkeypatch.setattr(study, "run_experiment", run)
    assert main([*words, "--trials=10", "--seeds", "0", "1"]) == 1, "one of them failed"
    table = pd.read_csv("tuned/trials.csv", keep_default_na=False)
    assert (table["state"] == "fail").sum() == 1
    assert "Expected luck, found none; try again." in set(table["error"])
    pruned = table[table["state"] == "pruned"]
    assert len(pruned) > 0
    assert set(pruned["seeds"]) == {1}
    assert pruned[RATIO].astype(float).max() < table[table["state"] == "complete"][RATIO].astype(float).max()
    assert "Expected luck" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("further", "found"),
    [
        (["--data.test=null"], "found --data.test, which it sets itself for each run; instead there is none"),
        (["--vary", "data.test.path=[a,b]"], "found --data.test.path, which it sets itself"),
        (["--seed_everything=3"], "found --seed_everything"),
        (["--vary", f"{RATIO}=[4,1]"], f"Expected for {RATIO} two numbers, the lower first"),
        (["--vary", "data.sampler.ratio=[1,4]"], "Expected parameters of the sampler two_stage"),
        (["--vary", f"{RATIO}=[0.5,4]"], "0.5"),
        (["--vary", "data.batchsize=[1,4]"], "batchsize"),
        (["--vary", "data.batch_size"], "Expected --vary OPTION=RANGE"),
        (["--sampler=nosuch"], "found 'nosuch'"),
        (["--data.pool.init_args.held_out=2"], "Expected a whole pool, or data.validation"),
        (["--data.validation=ClassFolders", "--data.validation.path=/nowhere/at"], "found the same"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_the_first_run(
    further: list[str], found: str, words: list[str], refused: Callable[..., str]
) -> None:
    message = refused(*words, *further)
    assert message.startswith("semdd tune: Expected ")
    assert found in message
    assert not Path("tuned").exists()


def test_a_run_of_the_config_leaves_out_what_it_searches(words: list[str], fit: Callable[..., Path]) -> None:
    run = fit("--config=search.yaml", "--data.test=null")
    assert "tune" not in yaml.safe_load((run / "config.yaml").read_text())
