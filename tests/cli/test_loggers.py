"""docs/loggers.md: every logger of its config gets curves, metrics of the selection and the contact sheet."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from semdd_lightning.cli.main import main
from tests.cli.run_files import read

PAGE = (Path(__file__).parents[2] / "docs" / "loggers.md").read_text()
PACKAGES = {"TensorBoardLogger": "tensorboard", "WandbLogger": "wandb", "MLFlowLogger": "mlflow"}
COVERAGE = "selection/coverage/random"


@pytest.fixture(scope="module")
def logged(small: tuple[str, ...], shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run was made with those of the page's loggers that are installed, and one without pictures."""
    folder = tmp_path_factory.mktemp("logged")
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    config = yaml.safe_load(text)
    loggers: list[dict[str, Any]] = config["trainer"]["logger"]
    assert {logger["class_path"] for logger in loggers} == set(PACKAGES)
    (mlflow,) = (logger for logger in loggers if logger["class_path"] == "MLFlowLogger")
    assert mlflow["init_args"].pop("tracking_uri").startswith("sqlite:"), "which takes seconds to make"
    mlflow["init_args"] |= {"save_dir": "logs/mlruns", "artifact_location": None}
    installed = [logger for logger in loggers if find_spec(PACKAGES[logger["class_path"]])]
    csv = {"class_path": "CSVLogger", "init_args": {"save_dir": "logs", "name": "csv"}}
    config["trainer"]["logger"] = [*installed, csv]
    (folder / "loggers.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("SEMDD_CACHE", str(shared_cache))
        monkeypatch.setenv("WANDB_SILENT", "true")
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        words = ["fit", *small, "--config=loggers.yaml", "--data.test=null", "--run.directory=run"]
        assert main(words) == 0
        if find_spec("wandb"):
            import_module("wandb").teardown()  # whose process writes what it holds as it ends
    return folder


@pytest.fixture
def coverage(logged: Path) -> float:
    value: float = read(logged / "run" / "result.json")["selection"]["random"]["coverage"]
    return value


def size_of_sheet(logged: Path) -> tuple[int, int]:
    with Image.open(logged / "run" / "subset.png") as sheet:
        return sheet.size


def test_tensorboard(logged: Path, coverage: float) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (events,) = logged.rglob("events.out.tfevents.*")
    found = accumulators.EventAccumulator(str(events)).Reload()
    assert [event.step for event in found.Scalars("train_loss")] == [0, 1]
    ((step, value),) = [(event.step, event.value) for event in found.Scalars(COVERAGE)]
    assert (step, value) == (0, pytest.approx(coverage))
    (image,) = found.Images("selection")
    assert (image.width, image.height) == size_of_sheet(logged)


def test_wandb_offline(logged: Path, coverage: float) -> None:
    pytest.importorskip("wandb")
    (written,) = logged.rglob("run-*.wandb")
    (picture,) = written.parent.rglob("selection_*.png")
    with Image.open(picture) as image:
        assert image.size == size_of_sheet(logged)
    content = written.read_bytes()  # records of names and JSON
    for said in (COVERAGE, repr(coverage), "train_loss"):
        assert said.encode() in content


def test_mlflow_in_a_local_store(logged: Path, coverage: float, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(f"file:{logged / 'logs' / 'mlruns'}")
    (run,) = client.search_runs([client.get_experiment_by_name("subsets").experiment_id])
    assert run.data.metrics[COVERAGE] == pytest.approx(coverage)
    assert "train_loss" in run.data.metrics
    with Image.open(next(logged.rglob("selection.png"))) as image:
        assert image.size == size_of_sheet(logged)


def test_a_logger_without_pictures_gets_the_metrics(logged: Path, coverage: float) -> None:
    (file,) = (logged / "logs" / "csv").rglob("metrics.csv")
    header, first = (line.split(",") for line in file.read_text().splitlines()[:2])
    assert float(first[header.index(COVERAGE)]) == pytest.approx(coverage)
    own = (logged / "run" / "metrics" / "metrics.csv").read_text()
    assert COVERAGE not in own, "result.json has it"
