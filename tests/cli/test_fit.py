"""`semdd fit`: what a run leaves behind, and that it can be made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from semdd_lightning import __version__
from semdd_lightning.cli.main import main
from tests.cli.run_files import read

Weights = Callable[[Path], dict[str, Tensor]]


# ------------------------------------------------------------------ what a run leaves behind


def test_everything_lies_in_the_run_directory(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        "config.yaml",
        "last.ckpt",
        "metrics",
        "report.html",
        "resolved.yaml",
        "result.json",
        "subset",
        "subset.png",
        "versions.json",
    }
    assert {path.name for path in (finished / "subset").iterdir()} == {
        "chosen.csv",
        "images",
        "manifest.json",
        "report.csv",
        "report_by_class.csv",
        "scores.parquet",
    }
    assert [path.name for path in (finished / "metrics").iterdir()] == ["metrics.csv"]
    assert finished.parent.name == "quickstart"
    assert [path.name for path in finished.parents[2].iterdir()] == ["runs"], "nothing beside the runs"


def test_result(finished: Path) -> None:
    result = read(finished / "result.json")
    assert 0 < result["metrics"]["test_top1"] < result["metrics"]["test_top5"] <= 1
    assert result["evaluated"] == {"test": 896}
    assert result["encoded"] == 120
    assert (result["command"], result["configs"]) == ("fit", ["quickstart.yaml"])
    assert (result["sampler"], result["ipc"], result["passes"]) == ("two_stage", 2, 2)
    assert result["student"] == "ConvNet"
    assert result["directory"] == str(finished)
    assert "--data.ipc=2" in result["overrides"]
    assert set(result["selection"]) == {"pool", "candidates", "selection", "random"}
    assert {"embed", "select", "train", "test"} <= result["seconds"].keys()
    assert set(result["audit"]) == {
        "verdict",
        "prior_knows_classes",
        "moved_folders",
        "suspect_folders",
        "folders",
    }
    assert result["environment"]["torch_threads"] == torch.get_num_threads()


def test_versions_and_command(finished: Path, finished_words: tuple[str, ...]) -> None:
    versions = read(finished / "versions.json")
    assert versions["semdd_lightning"] == __version__
    assert versions["packages"]["torch"] == torch.__version__.split("+")[0]
    assert versions["command"][:2] == ["semdd", "fit"]
    assert versions["command"][3:] == list(finished_words[2:]), "configs are resolved to their files"


def test_resolved_shows_what_depends_on_others(finished: Path) -> None:
    resolved, config = read(finished / "resolved.yaml"), read(finished / "config.yaml")
    assert resolved["trainer"]["max_epochs"] == 2
    assert resolved["data"]["init_args"]["augmentation_seed"] == 0
    assert resolved["model"]["init_args"]["num_classes"] == 10
    assert "max_epochs" not in config["trainer"], "a config must leave it to passes"
    assert "augmentation_seed" not in config["data"]["init_args"]


def test_metrics_hold_the_loss_and_the_test(finished: Path) -> None:
    metrics = pd.read_csv(finished / "metrics" / "metrics.csv")
    result = read(finished / "result.json")["metrics"]
    assert metrics["train_loss"].count() == 2
    assert metrics["test_top1"].dropna().tolist() == pytest.approx([result["test_top1"]], abs=1e-6)


def test_checkpoint_is_that_of_the_last_pass_and_knows_its_classes(finished: Path) -> None:
    checkpoint = torch.load(finished / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    assert checkpoint["semdd"]["class_names"][:3] == ["zero", "one", "two"]
    assert not [key for key in checkpoint["state_dict"] if "teacher" in key or "frozen" in key]


# ------------------------------------------------------------------ again


def test_a_second_run_encodes_nothing_and_gives_the_same(
    finished: Path, finished_words: tuple[str, ...], run_directories: Callable[[], list[Path]]
) -> None:
    assert main(finished_words) == 0
    (second,) = run_directories()
    results = [read(directory / "result.json") for directory in (finished, second)]
    assert [result["encoded"] for result in results] == [120, 0]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert (second / "config.yaml").read_text() == (finished / "config.yaml").read_text()


def test_a_config_of_a_run_makes_the_run_again(
    finished: Path, run_directories: Callable[[], list[Path]], student_weights: Weights
) -> None:
    assert main(["fit", f"--config={finished / 'config.yaml'}"]) == 0
    (again,) = run_directories()
    assert again.parent.name == "quickstart", "runs of one experiment stay together"
    assert read(again / "result.json")["metrics"] == read(finished / "result.json")["metrics"]
    one, other = student_weights(again), student_weights(finished)
    assert all(torch.equal(one[key], other[key]) for key in other)


def test_a_run_with_its_own_directory_can_be_made_again(
    workplace: Path, run_directories: Callable[[], list[Path]], small: tuple[str, ...]
) -> None:
    assert main(["fit", *small, "--run.directory=mine"]) == 0
    assert run_directories() == []
    assert read(workplace / "mine" / "resolved.yaml")["run"]["directory"] is None, "to be used again"
    for count, saved in enumerate(("config.yaml", "resolved.yaml"), start=1):
        assert main(["fit", f"--config=mine/{saved}"]) == 0
        assert len(run_directories()) == count, "a second run makes a second directory"
    metrics = [read(path / "result.json")["metrics"] for path in (workplace / "mine", *run_directories())]
    assert metrics[0] == metrics[1] == metrics[2]


def test_resuming_gives_the_uninterrupted_run(
    fit: Callable[..., Path], student_weights: Weights, workplace: Path
) -> None:
    whole = fit("--data.passes=4")
    stopped = fit("--data.passes=4", "--trainer.max_steps=2")
    assert torch.load(stopped / "last.ckpt", weights_only=True)["global_step"] == 2
    resumed = fit("--data.passes=4", f"--ckpt_path={stopped / 'last.ckpt'}")
    one, other = student_weights(whole), student_weights(resumed)
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert (
        read(whole / "result.json")["metrics"]["test_top1"]
        == (read(resumed / "result.json")["metrics"]["test_top1"])
    )


def test_the_command_line_wins_over_a_checkpoint(fit: Callable[..., Path], finished: Path) -> None:
    resumed = fit(
        f"--ckpt_path={finished / 'last.ckpt'}",
        "--data.pool.init_args.seed=5",  # the images of that run
        "--data.passes=3",
        "--model.temperature=5",
        "--seed_everything=3",
    )
    resolved = read(resumed / "resolved.yaml")
    assert resolved["model"]["init_args"]["temperature"] == 5
    assert resolved["data"]["init_args"]["augmentation_seed"] == 3
    assert torch.load(resumed / "last.ckpt", weights_only=True)["global_step"] == 3


# ------------------------------------------------------------------ the table


def test_the_table_and_the_next_commands(
    fit: Callable[..., Path], capsys: pytest.CaptureFixture[str], workplace: Path
) -> None:
    directory = fit()
    text = capsys.readouterr().out
    result = read(directory / "result.json")
    assert f"{result['metrics']['test_top1']:.2%} after the last pass on 896 images" in text
    shown = directory.relative_to(workplace)
    assert f"semdd compare --config {shown}/config.yaml --samplers two_stage random" in text
    assert f"semdd verify {shown}" in text
    assert f"semdd open {shown}" in text
