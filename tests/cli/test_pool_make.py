"""`semdd pool make`: options and configs, what it refuses, and `semdd verify` of what it made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks.training_task import TrainingTask
from semdd_lightning.cli.main import main
from semdd_lightning.cli.pool_make_options import EPILOG, parse_options
from semdd_lightning.datasets import find_dataset
from semdd_lightning.experiment.config.configs import packaged_configs
from semdd_lightning.generation import GENERATORS, image_facts, read_pool_record
from semdd_lightning.pools.any_pool import AnyPool
from semdd_lightning.records import write_record

RANDOM = ("pool", "make", "--generator", "random")
DIGITS = (*RANDOM, "--dataset", "digits", "--images-per-class", "3")


def test_a_pool_of_real_images_is_verified(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*DIGITS, "--out", "made", "--size", "16"]) == 0
    said = capsys.readouterr().out
    assert "made: 30 images of 10 classes by random" in said
    assert "semdd verify made" in said
    found = AnyPool(Path("made")).resolve()
    assert len(found.listing) == 30
    assert set(found.registry.folders) == {made.folder for made in read_pool_record(Path("made")).classes}
    assert main(["verify", "made"]) == 0
    assert "30 images of 10 classes by random, seed 0, none missing" in capsys.readouterr().out
    next(workplace.glob("made/*/00001.png")).unlink()
    assert main(["verify", "made"]) == 1
    assert "1 of 3 images missing, as 00001.png" in capsys.readouterr().err
    assert main([*DIGITS, "--out", "made", "--size", "16"]) == 2
    assert "and pool.json, and give the command again" in capsys.readouterr().err
    (workplace / "made" / "pool.json").unlink()
    assert main([*DIGITS, "--out", "made", "--size", "16"]) == 0
    assert main(["verify", "made"]) == 0


def test_array_tasks_share_a_pool(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    for task in ("0", "1"):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        assert main([*DIGITS, "--out", "made"]) == 0
    said = capsys.readouterr().out
    assert "This share of made is there" in said
    assert "made: 30 images" in said
    assert main(["verify", "made"]) == 0


def test_a_config_makes_rdeds_crops(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = TrainingTask(workplace / "task", "conv3", 8, 60, num_classes=3).write()
    words = ["pool", "make", "--config", "pools/rded.yaml", "--source", str(task.images), "--size", "8"]
    words += ["--teacher", str(task.teacher.path), "--images_per_class", "4", "--out", "made"]
    assert main(words) == 0
    assert "12 images of 3 classes by rded" in capsys.readouterr().out
    record = read_pool_record(Path("made"))
    assert record.plan["description"]["init_args"]["factor"] == 2
    assert record.plan["made_of"]["teacher"]["accuracy"]["top1"] == 1.0
    crops = image_facts(Path("made/00001/00000.png"))["crops"]
    assert len(crops) == 4
    assert all(crop["from"].startswith("00001/") for crop in crops)
    assert main(words) == 0  # all is there
    assert "made now" not in capsys.readouterr().out
    Path("whole.yaml").write_text("base: pools/rded.yaml\nfactor: 1\n")
    assert main([*words[:2], "--config", "whole.yaml", *words[4:-1], "whole"]) == 0
    assert len(image_facts(Path("whole/00001/00000.png"))["crops"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x"], "Expected --generator to be one of random, rded"),
        (["--generator", "gan", "--out", "x"], "found 'gan'"),
        ([*RANDOM[2:], "--images-per-class", "3", "--out", "x"], "give --dataset NAME or --classes FILE"),
        ([*DIGITS[2:], "--out", "x", "--size", "0"], "--size of at least 1"),
        ([*DIGITS[2:], "--out", "x", "--seed", "-1"], "--seed from 0"),
        ([*DIGITS[2:], "--out", "x", "--images-per-class", "many"], "many"),
        ([*DIGITS[2:], "--out", "x", "--factor", "2"], "factor"),
        ([*DIGITS[2:], "--out", "x", "--shard", "2/2"], "--shard I/N"),
        ([*DIGITS[2:], "--out", "x", "--device", "abacus"], "abacus"),
        ([*DIGITS[2:]], "out"),
        (["--config", "odd.yaml", *DIGITS[2:], "--out", "x"], "found 'colour'"),
        ([*RANDOM[2:], "--dataset", "mnist", "--images-per-class", "3", "--out", "x"], "'mnist'"),
        ([*DIGITS[2:], "--images-per-class", "3000", "--out", "x"], "needed 3000"),
        (["--generator", "rded", *DIGITS[4:], "--out", "x"], "teacher"),
        ([*DIGITS[2:], "--out", "x", "--keep-best", "2"], "found no prior"),
        ([*DIGITS[2:], "--out", "x", "--keep-best", "4", "--prior", "digits"], "found 3 images per round"),
        ([*DIGITS[2:], "--out", "x", "--max-images-per-class", "4"], "found it alone"),
        ([*DIGITS[2:], "--out", "x", "--prior", "gone"], "gone"),
        (
            ["--generator", "rded", *DIGITS[4:], "--teacher", "t", "--out", "x", "--keep-best", "2"],
            "chooses by itself",
        ),
        (
            [*DIGITS[2:], "--out", "x", "--keep-best", "2", "--prior", "digits", "--shard", "0/2"],
            "one process with --keep-best",
        ),
        (["--generator", "rded", *DIGITS[4:], "--teacher", "gone.ckpt", "--out", "x"], "'gone.ckpt'"),
    ],
)
def test_what_cannot_be_made_is_refused(
    refused: Callable[..., str], workplace: Path, words: list[str], message: str
) -> None:
    (workplace / "odd.yaml").write_text("colour: red\n")
    assert message in refused("pool", "make", *words)
    assert not (workplace / "x").exists()


def test_what_was_refused_claims_nothing(refused: Callable[..., str], digits: Path) -> None:
    words = [*RANDOM, "--source", str(digits), "--images-per-class", "1", "--out", "made"]
    assert "Expected --size, found none" in refused(*words)
    assert main([*words, "--size", "8"]) == 0


@pytest.mark.parametrize(
    "change",
    [{"folder": "../elsewhere"}, {"folder": "a\0b"}, {"folder": ""}, {"folder": ".."}, "twice", "plan"],
)
def test_an_impossible_record_of_a_pool_is_refused(
    change: dict[str, str] | str, refused: Callable[..., str], workplace: Path
) -> None:
    made: dict[str, object] = {
        "name": "cat",
        "folder": "cat",
        "wnid": None,
        "made_with": {},
        "files": {},
        "made": 0,
    }
    plan = {"generator": "random", "seed": 0} if change != "plan" else {}
    changed = {**made, **change} if isinstance(change, dict) else made
    classes = [made, made] if change == "twice" else [changed]
    content = {"plan": plan, "seed_rule": "r", "classes": classes, "versions": {}, "format": 1}
    write_record(workplace / "pool.json", content)
    assert "Expected pool.json to be whole and of its form" in refused("verify", ".")


def test_the_help_lists_generators_and_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    for words, part in (((), "rded: real crops"), (("--generator", "rded"), "--factor")):
        with pytest.raises(SystemExit) as ended:
            main(["pool", "make", *words, "--help"])
        assert ended.value.code == 0
        assert part in " ".join(capsys.readouterr().out.split())


def test_a_pool_is_not_made_among_its_source(refused: Callable[..., str], digits: Path) -> None:
    words = [*RANDOM, "--source", str(digits), "--images-per-class", "2", "--size", "16"]
    assert "outside of the images" in refused(*words, "--out", str(digits / "made"))


@pytest.mark.parametrize("config", ["dit", "minimax_dit", "sd15", "sdxl_turbo"])
def test_configs_of_diffusion_run_with_tiny_pipelines(
    workplace: Path, capsys: pytest.CaptureFixture[str], config: str
) -> None:
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    from tests.generation.tiny_pipelines import save_dit, save_stable_diffusion, tiny_transformer

    (save_dit if "dit" in config else save_stable_diffusion)(workplace / "model")
    words = ["--dataset", "imagewoof", "--model", "model", "--precision", "fp32", "--steps", "2"]
    if config == "minimax_dit":
        torch.save(tiny_transformer().state_dict(), "weights.pt")
        words += ["--weights", "weights.pt"]
    if config == "sdxl_turbo":
        words += ["--generated-size", "16"]
    words += ["--config", f"pools/{config}.yaml", "--images-per-class", "1", "--out", "made"]
    assert main(["pool", "make", *words]) == 0
    assert "10 images of 10 classes by diffusion" in capsys.readouterr().out
    assert main(["verify", "made"]) == 0
    assert list(AnyPool(Path("made"), "imagewoof").registry().wnids or ()) == list(
        find_dataset("imagewoof").wnids or ()
    )


def test_the_best_of_rounds_are_kept(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--keep-best", "2", "--prior", "digits", "--max-images-per-class", "12", "--out", "best"]
    assert main([*RANDOM, "--dataset", "digits", "--images-per-class", "6", *words]) == 0
    said = capsys.readouterr().out
    assert "best: 40 images of 10 classes by random" in said
    assert " made, 4 kept; " in said
    assert main(["verify", "best"]) == 0
    assert (
        main(
            [
                "select",
                "best",
                "--classes",
                "digits",
                "--ipc",
                "2",
                "--sampler=two_stage",
                "--prior",
                "digits",
                "--out",
                "two",
            ]
        )
        == 0
    )


def test_commands_of_page_and_configs_are_understood() -> None:
    root = packaged_configs()
    texts = [(root.parent / "docs" / "generating.md").read_text(), EPILOG]
    texts += [file.read_text().replace("\n#", "\n") for file in sorted((root / "pools").glob("*.yaml"))]
    found = [
        shlex.split(line.strip().partition("     ")[0].replace("...", "--out x"))
        for text in texts
        for line in re.sub(r"\\\n *", "", text).splitlines()
        if line.strip().startswith("semdd pool make --") and "--help" not in line
    ]
    assert len(found) > 7
    for words in found:
        extra = ["--teacher", "t"] if "pools/rded.yaml" in words and "--teacher" not in words else []
        assert parse_options([*words[3:], *extra]).generator in GENERATORS
