"""`semdd fit`: what a run leaves behind, and that it can be made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor

from semdd_lightning import __version__
from semdd_lightning.cli.main import main

Weights = Callable[[Path], dict[str, Tensor]]


def read(file: Path) -> Any:  # noqa: ANN401 - any JSON or YAML
    return json.loads(file.read_text()) if file.suffix == ".json" else yaml.safe_load(file.read_text())


# ------------------------------------------------------------------ what a run leaves behind


def test_everything_lies_in_the_run_directory(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        "config.yaml",
        "last.ckpt",
        "metrics",
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
    assert result["evaluated"] == {"train": 20, "test": 896}
    assert result["encoded"] == 120
    assert (result["command"], result["configs"]) == ("fit", ["quickstart.yaml"])
    assert (result["sampler"], result["ipc"], result["passes"]) == ("two_stage", 2, 2)
    assert result["student"] == "ConvNet"
    assert result["directory"] == str(finished)
    assert "--data.ipc=2" in result["overrides"]
    assert set(result["selection"]) == {"pool", "candidates", "selection", "random"}
    assert {"embed", "select", "train", "test"} <= result["seconds"].keys()
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
    assert read(workplace / "mine" / "resolved.yaml")["run"]["directory"] == "mine"
    for count in (1, 2):
        assert main(["fit", "--config=mine/config.yaml"]) == 0
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


# ------------------------------------------------------------------ configs


def test_later_configs_win(
    workplace: Path, small: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, ipc in (("one.yaml", 3), ("other.yaml", 4)):
        (workplace / name).write_text(f"data:\n  init_args:\n    ipc: {ipc}\nrun:\n  name: from_{ipc}\n")
    words = ["fit", "--config=quickstart.yaml", "--config=one.yaml", "--config=other.yaml", "--print_config"]
    with pytest.raises(SystemExit, match="0"):
        main(words)
    config = yaml.safe_load(capsys.readouterr().out)
    assert (config["data"]["init_args"]["ipc"], config["run"]["name"]) == (4, "from_4")
    assert config["data"]["init_args"]["pool"]["init_args"]["images_per_class"] == 50


def test_a_config_in_the_working_directory_wins_over_the_packaged(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "quickstart.yaml").write_text("run:\n  name: own\n")
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--config=quickstart.yaml", "--print_config"])
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["run"]["name"] == "own"
    assert config["data"] is None


def test_the_environment_fills_in_what_neither_config_nor_words_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEMDD_FIT__RUN__NAME", "from-the-environment")
    monkeypatch.setenv("SEMDD_FIT__TRAINER__LOG_EVERY_N_STEPS", "7")
    monkeypatch.setenv("SEMDD_FIT__SEED_EVERYTHING", "9")
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--config=quickstart.yaml", "--trainer.log_every_n_steps=8", "--print_config"])
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["run"]["name"] == "from-the-environment"
    assert config["trainer"]["log_every_n_steps"] == 8, "words win"
    assert config["seed_everything"] == 0, "configs win"


def test_print_config_has_the_keys_of_an_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--config=quickstart.yaml", "--print_config"])
    config = yaml.safe_load(capsys.readouterr().out)
    parts = ["seed_everything", "trainer", "model", "data", "run", "protocol", "ckpt_path", "weights_only"]
    assert list(config) == parts
    assert set(config["data"]["init_args"]) == {
        "audit",
        "augmentation",
        "batch_size",
        "cache_dir",
        "distinct_passes",
        "evaluation_batch_size",
        "evaluation_view",
        "image_size",
        "ipc",
        "mixing_group",
        "num_classes",
        "num_workers",
        "passes",
        "passes_per_epoch",
        "pool",
        "predict",
        "prior",
        "reference",
        "replay_seed",
        "sampler",
        "selection_seed",
        "storage",
        "test",
        "validation",
    }
    assert set(config["model"]["init_args"]) == {
        "ema_decay",
        "label_weight",
        "loss",
        "mean",
        "optimizer",
        "schedule",
        "statistics_twice",
        "std",
        "student",
        "teacher",
        "temperature",
        "temperature_squared",
        "weight_decay_on",
    }
    assert set(config["run"]) == {"root", "name", "directory"}
    assert list(config["data"]) == ["class_path", "init_args"], "the class comes before its arguments"


# ------------------------------------------------------------------ what goes wrong


def test_a_failed_selection_leaves_its_config(
    refused: Callable[..., str], small: tuple[str, ...], run_directories: Callable[[], list[Path]]
) -> None:
    message = refused("fit", *small, "--data.ipc=13")
    (last,) = [line for line in message.splitlines() if line.startswith("semdd fit: ")]
    assert "'zero' (folder '0'): needed 13, found 12 usable" in last
    (directory,) = run_directories()
    assert read(directory / "config.yaml")["data"]["init_args"]["ipc"] == 13
    assert (directory / "resolved.yaml").is_file()
    assert not (directory / "subset").exists()
    assert not (directory / "result.json").exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--data.ipc=0", "Expected ipc of at least 1, found 0"),
        ("--model.student=conv33", "found 'conv33'"),
        ("--data.sampler=twostage", "twostage"),
        ("--data.batch_size=0", "batch_size"),
        ("--model.temperature=0", "temperature above 0"),
    ],
)
def test_bad_values_are_one_message(
    option: str, words: str, refused: Callable[..., str], small: tuple[str, ...]
) -> None:
    message = refused("fit", *small, option)
    assert message.splitlines()[-1].startswith("semdd fit: Expected")
    assert words in message


def test_epochs_must_be_whole(small: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["fit", *small, "--data.passes=3", "--data.passes_per_epoch=2"])
    assert "Expected passes_per_epoch to divide passes (3), found 2" in capsys.readouterr().err


def test_a_misspelt_option_is_named(small: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["fit", *small, "--data.nonsense=1"])
    assert "'nonsense' is not accepted" in capsys.readouterr().err


def test_an_existing_directory_is_not_touched(
    workplace: Path, refused: Callable[..., str], small: tuple[str, ...]
) -> None:
    taken = workplace / "taken"
    taken.mkdir()
    (taken / "config.yaml").write_text("precious")
    assert "nothing was overwritten" in refused("fit", *small, "--run.directory=taken")
    assert [path.name for path in taken.iterdir()] == ["config.yaml"]
    assert (taken / "config.yaml").read_text() == "precious"


def test_an_unknown_config_lists_the_packaged(refused: Callable[..., str]) -> None:
    assert "quickstart.yaml" in refused("fit", "--config=quickstrat.yaml")


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


# ------------------------------------------------------------------ the trainer


def test_no_validation_interval_means_once_at_the_end(fit: Callable[..., Path]) -> None:
    validation = "--data.validation={class_path: DigitsImages, init_args: {split: train, image_size: 16}}"
    run = fit("--data.passes=3", validation, "--trainer.check_val_every_n_epoch=null")
    metrics = pd.read_csv(run / "metrics" / "metrics.csv")
    assert metrics.dropna(subset="val_top1")["epoch"].tolist() == [2]
    assert read(run / "resolved.yaml")["trainer"]["check_val_every_n_epoch"] == 3
    assert read(run / "config.yaml")["trainer"]["check_val_every_n_epoch"] is None


def test_what_lightning_refuses_is_one_message(
    refused: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = refused("fit", *small, "--trainer.accelerator=gpu")
    assert message.splitlines()[-1].startswith("semdd fit: Expected a config that Lightning can run here")


def test_without_checkpoints(fit: Callable[..., Path]) -> None:
    run = fit("--trainer.enable_checkpointing=false")
    assert not (run / "last.ckpt").exists()
    assert (run / "result.json").is_file()


def test_a_failing_test_loses_no_training(
    small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, run_directories: Callable[[], list[Path]]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the test split is gone")

    monkeypatch.setattr("lightning.pytorch.Trainer.test", fail)
    with pytest.raises(OSError, match="the test split is gone"):
        main(["fit", *small])
    (run,) = run_directories()
    result = read(run / "result.json")
    assert "train_loss" in result["metrics"]
    assert "test_top1" not in result["metrics"]
    assert result["seconds"]["train"] > 0


@pytest.mark.parametrize("variable", ["NODE_RANK", "GROUP_RANK"])
def test_the_first_process_of_a_further_node_makes_no_directory(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from semdd_lightning.cli.semdd_cli import _is_first_process

    monkeypatch.delenv("NODE_RANK", raising=False)
    monkeypatch.delenv("GROUP_RANK", raising=False)
    assert _is_first_process()
    monkeypatch.setenv(variable, "0")
    assert _is_first_process()
    monkeypatch.setenv(variable, "1")
    assert not _is_first_process()
