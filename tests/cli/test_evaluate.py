"""`semdd test`, `validate` and `predict` of a finished run's student."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from semdd_lightning.cli.main import main

Runs = Callable[[], list[Path]]


def result_of(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / "result.json").read_text())
    return content


def of_run(finished: Path, *words: str) -> list[str]:
    """Options that evaluate the student of a run with the run's own config."""
    return [f"--config={finished / 'config.yaml'}", f"--ckpt_path={finished / 'last.ckpt'}", *words]


def test_test_gives_what_fit_printed(
    finished: Path, run_directories: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", *of_run(finished)]) == 0
    (directory,) = run_directories()
    result, of_fit = result_of(directory), result_of(finished)
    assert result["metrics"] == {
        name: value for name, value in of_fit["metrics"].items() if name.startswith("test_")
    }
    assert result["evaluated"] == {"test": 896}
    assert result["command"] == "test"
    assert not (directory / "subset").exists(), "nothing is selected for a test"
    assert f"{of_fit['metrics']['test_top1']:.2%} after the last pass on 896" in capsys.readouterr().out


def test_validate(finished: Path, run_directories: Runs) -> None:
    words = ["--data.validation=DigitsImages", "--data.validation.split=train"]
    assert main(["validate", *of_run(finished, *words)]) == 0
    (directory,) = run_directories()
    result = result_of(directory)
    assert result["evaluated"] == {"validation": 901}
    assert 0 < result["metrics"]["val_top1"] < 1
    assert not [name for name in result["metrics"] if name.startswith("test")]


def test_validate_without_a_split(finished: Path, refused: Callable[..., str]) -> None:
    assert "Expected a validation split, found none" in refused("validate", *of_run(finished))


def test_predict_writes_every_image_once(finished: Path, run_directories: Runs) -> None:
    assert main(["predict", *of_run(finished)]) == 0
    (directory,) = run_directories()
    table = pd.read_csv(directory / "predictions.csv")
    probabilities = table.filter(like="p(")
    assert table["row"].tolist() == list(range(896))
    assert list(probabilities) == [f"p({name})" for name in dict.fromkeys(_names(finished))]
    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-5
    assert (table["predicted"] == table["label"]).mean() == pytest.approx(
        result_of(finished)["metrics"]["test_top1"], abs=1e-6
    )
    best = probabilities.to_numpy().argmax(axis=1)
    assert table["predicted"].tolist() == [list(probabilities)[i][2:-1] for i in best]
    assert sorted(path.name for path in directory.iterdir() if "predictions" in path.name) == [
        "predictions.csv"
    ]


def _names(finished: Path) -> list[str]:
    manifest = json.loads((finished / "subset" / "manifest.json").read_text())
    return list(manifest["class_names"])


def test_predict_a_folder(finished: Path, run_directories: Runs) -> None:
    words = [f"--data.predict={json.dumps(_folder_images(finished))}", "--data.evaluation_batch_size=7"]
    assert main(["predict", *of_run(finished, *words)]) == 0
    (directory,) = run_directories()
    table = pd.read_csv(directory / "predictions.csv")
    assert table["label"].tolist() == [name for name in _names(finished) for _ in range(2)]


def test_predict_a_folder_without_classes(finished: Path, run_directories: Runs) -> None:
    images = finished / "subset" / "images"
    predicted = {"class_path": "UnlabelledImages", "init_args": {"path": str(images)}}
    assert main(["predict", *of_run(finished, f"--data.predict={json.dumps(predicted)}")]) == 0
    (directory,) = run_directories()
    table = pd.read_csv(directory / "predictions.csv")
    assert table["path"].tolist() == sorted(p.relative_to(images).as_posix() for p in images.rglob("*.png"))
    assert table["label"].isna().all()
    assert set(table["predicted"]) <= set(_names(finished))


def _folder_images(finished: Path) -> dict[str, Any]:
    arguments = {"path": str(finished / "subset" / "images"), "class_names": _names(finished)}
    return {"class_path": "FolderImages", "init_args": arguments}


@pytest.mark.parametrize("command", ["test", "validate", "predict"])
def test_an_untrained_student_is_not_evaluated(
    command: str, finished: Path, refused: Callable[..., str], run_directories: Runs
) -> None:
    message = refused(command, f"--config={finished / 'config.yaml'}")
    assert f"Expected --ckpt_path for {command}, found none; give the last.ckpt of a run" in message
    assert run_directories() == []


def test_a_missing_checkpoint(finished: Path, refused: Callable[..., str], workplace: Path) -> None:
    words = [f"--config={finished / 'config.yaml'}", f"--ckpt_path={workplace / 'none.ckpt'}"]
    assert "none.ckpt" in refused("test", *words)


def test_a_checkpoint_of_another_student(finished: Path, refused: Callable[..., str]) -> None:
    message = refused("test", *of_run(finished, "--model.student.init_args.depth=2"))
    assert "found another (Error(s) in loading state_dict" in message
