"""`semdd fit`: what configs, words and the environment give, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from semdd_lightning.cli.main import main
from tests.cli.run_files import read

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
        "choices",
        "classifier",
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
        "teacher_batch_statistics",
        "temperature",
        "temperature_squared",
        "weight_decay_on",
    }
    assert set(config["run"]) == {"root", "name", "directory", "validate_at_end"}
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
        ("--data.ipc=0", "Expected ipc to be at least 1, found 0"),
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


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--data.nonsense=1", "'nonsense' is not accepted"),
        ("--nonsense=1", "unrecognized arguments: --nonsense=1"),
        ("--data.passes=many", "Expected a <class 'int'>. Got value: many"),
        ("--data.sampler.candidate_ratio=4", "two_stage is a short name, which takes no arguments; give its"),
    ],
)
def test_a_misspelt_option_is_named_in_one_line(
    option: str, words: str, refused: Callable[..., str], small: tuple[str, ...]
) -> None:
    (line,) = refused("fit", *small, option).splitlines()
    assert words in line


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
@pytest.mark.parametrize("option", ["--seed_everything", "--data.replay_seed"])
def test_a_seed_out_of_range(
    option: str, seed: str, refused: Callable[..., str], small: tuple[str, ...]
) -> None:
    assert f"from 0 to {2**32 - 1}, found {seed}" in refused("fit", *small, f"{option}={seed}")


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


# ------------------------------------------------------------------ the trainer


def test_validation_at_the_end_alone(fit: Callable[..., Path]) -> None:
    validation = "--data.validation={class_path: DigitsImages, init_args: {split: train, image_size: 16}}"
    run = fit("--data.passes=3", validation, "--trainer.check_val_every_n_epoch=null")
    metrics = pd.read_csv(run / "metrics" / "metrics.csv")
    assert metrics.dropna(subset="val_top1")["epoch"].tolist() == [2]
    assert read(run / "resolved.yaml")["trainer"]["check_val_every_n_epoch"] == 3
    assert read(run / "config.yaml")["trainer"]["check_val_every_n_epoch"] is None


def test_no_interval_of_validation_is_refused_unless_it_comes_at_the_end(
    refused: Callable[..., str], small: tuple[str, ...]
) -> None:
    never = refused("fit", *small, "--run.validate_at_end=false")
    assert "found trainer.check_val_every_n_epoch null" in never
    assert "give --run.validate_at_end true" in never


def test_an_interval_in_steps_is_lightnings(fit: Callable[..., Path]) -> None:
    validation = "--data.validation={class_path: DigitsImages, init_args: {split: train, image_size: 16}}"
    run = fit("--data.passes=4", validation, "--trainer.val_check_interval=2")
    assert read(run / "resolved.yaml")["trainer"]["check_val_every_n_epoch"] is None
    metrics = pd.read_csv(run / "metrics" / "metrics.csv")
    assert metrics.dropna(subset="val_top1")["epoch"].tolist() == [1, 3]


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
    from semdd_lightning.experiment.run.together import is_first_process

    monkeypatch.delenv("NODE_RANK", raising=False)
    monkeypatch.delenv("GROUP_RANK", raising=False)
    assert is_first_process()
    monkeypatch.setenv(variable, "0")
    assert is_first_process()
    monkeypatch.setenv(variable, "1")
    assert not is_first_process()
