"""`semdd compare`: one run per sampler and seed, one table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor

from semdd_lightning.cli.main import main
from semdd_lightning.evaluation import read_cells
from semdd_lightning.export import read_manifest

ACCURACIES = ["sampler", "n", "top1_mean", "top5_mean"]


@pytest.fixture
def experiment(workplace: Path) -> Path:
    """A config that spells its sampler out, and a student that stays as it was initialised."""
    sampler = {"class_path": "TwoStage", "init_args": {"candidates_per_class": 5}}
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}}
    content = {"data": {"init_args": {"sampler": sampler}}, "model": {"init_args": {"optimizer": optimizer}}}
    file = workplace / "experiment.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_two_samplers_and_two_seeds(
    experiment: Path,
    small: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    student_weights: Callable[[Path], dict[str, Tensor]],
) -> None:
    experiment.with_name("protocol.yaml").write_text(
        "protocol: {name: mine}\nmodel: {init_args: {temperature: 4.0, label_weight: 0.0}}"
    )
    words = ["--config=protocol.yaml", "--model.temperature=5"]
    words += ["--samplers", "two_stage", "random", "--seeds", "0", "1", "--out", "table"]
    words += ["--baseline", "two_stage"]
    assert main(["compare", *small, f"--config={experiment}", *words]) == 0
    text = capsys.readouterr().out
    out = Path("table").absolute()
    names = ["two_stage-seed0", "random-seed0", "two_stage-seed1", "random-seed1"]
    runs = {name: out / name for name in names}

    cells = read_cells(out)
    assert [(cell.axes["sampler"], cell.axes["training_seed"]) for cell in cells] == [
        ("two_stage", 0), ("random", 0), ("two_stage", 1), ("random", 1)
    ]  # fmt: skip
    for name, cell in zip(names, cells, strict=True):
        assert (cell.directory, cell.labels, cell.state) == (name, "online", "finished")
        result = json.loads((runs[name] / "result.json").read_text())
        assert [cell.top1, cell.top5] == [result["metrics"][f"test_top{k}"] for k in (1, 5)]
        assert (cell.seconds, cell.selection) == (result["seconds"], result["selection"])
        assert (cell.num_images_pool, cell.label_bytes) == (120, None)
        assert cell.peak_memory_bytes is not None
        assert cell.command == [
            "semdd",
            *json.loads((out / name / "versions.json").read_text())["command"][1:],
        ]
        places = {"pool": "quickstart", "prior": "digits", "protocol": "mine", "ipc": 2, "student": "ConvNet"}
        assert {axis: cell.axes[axis] for axis in places} == places

    table = pd.read_csv(out / "comparison.csv", index_col="sampler")
    assert table.index.tolist() == ["two_stage", "random"]
    assert table["n"].tolist() == [2, 2]
    assert table["verdict"]["two_stage"] == "baseline"
    assert table["labels"].tolist() == ["online", "online"]
    assert "Test accuracy: soft labels (online)" in " ".join(text.split())
    for sampler in ("two_stage", "random"):
        values = [cell.top1 for cell in cells if cell.axes["sampler"] == sampler and cell.top1 is not None]
        assert table.loc[sampler, "top1_mean"] == pytest.approx(sum(values) / 2)
    for name in ("comparison.md", "comparison.tex", "report.html"):
        assert "Protocol: mine" in (out / name).read_text()
    assert "Protocol: mine.\nHabits of the reference implementation: half_cosine.\n" in text
    assert "Unlike the protocol: model.temperature 5.0, not 4.0.\n" in text
    assert all(word in text for word in ("two_stage", "random", "baseline", "the same with all 2 seeds"))
    assert 'href="./random-seed1/report.html"' in (out / "report.html").read_text()

    # the same initial student for all samplers of a seed, another one for another seed
    weights = {name: student_weights(run) for name, run in runs.items()}
    for seed in (0, 1):
        one, other = weights[f"two_stage-seed{seed}"], weights[f"random-seed{seed}"]
        assert all(torch.equal(one[key], other[key]) for key in one)
    first, second = weights["random-seed0"], weights["random-seed1"]
    assert not all(torch.equal(first[key], second[key]) for key in first)

    # a sampler that the config spells out keeps its arguments, one that draws has the cell's seed
    manifests = {name: read_manifest(run) for name, run in runs.items()}
    for seed in (0, 1):
        assert manifests[f"two_stage-seed{seed}"].sampler["init_args"]["candidates_per_class"] == 5
        assert manifests[f"random-seed{seed}"].selection_seed == seed
    assert manifests["random-seed0"].paths != manifests["random-seed1"].paths
    assert manifests["two_stage-seed0"].paths == manifests["two_stage-seed1"].paths

    versions = json.loads((out / "versions.json").read_text())
    assert versions["command"][:2] == ["semdd", "compare"]


def test_an_existing_directory_is_not_touched(
    small: tuple[str, ...], workplace: Path, refused: Callable[..., str]
) -> None:
    (workplace / "table").mkdir()
    (workplace / "table" / "mine").touch()
    message = refused("compare", *small, "--samplers", "random", "--out", "table")
    assert "nothing was overwritten" in message
    assert [path.name for path in (workplace / "table").iterdir()] == ["mine"]


def test_bad_input_is_refused_before_anything_is_written(
    small: tuple[str, ...], workplace: Path, refused: Callable[..., str]
) -> None:
    assert "two_stage" in refused("compare", *small, "--samplers", "random", "twostage")
    assert "packaged are" in refused("compare", "--config=none.yaml", "--samplers", "random")
    unknown = refused("compare", *small, "--samplers", "random", "two_stage", "--baseline", "k_center")
    assert "--baseline out of random, two_stage, found 'k_center'" in unknown
    assert list(workplace.iterdir()) == []


def test_without_a_test_split_there_is_nothing_to_compare(
    small: tuple[str, ...], refused: Callable[..., str]
) -> None:
    message = refused("compare", *small, "--samplers", "random", "--seeds", "0", "--data.test=null")
    assert "Expected a test to compare by, found none" in message


def test_options_are_not_guessed_from_their_beginnings(
    small: tuple[str, ...], refused: Callable[..., str]
) -> None:
    """`--sampler` is no `--samplers`: it goes to the runs, which do not know it."""
    assert "--sampler=k_center" in refused("compare", *small, "--samplers", "random", "--sampler=k_center")


@pytest.mark.parametrize(
    "option",
    [
        "--seed_everything=3",
        "--data.selection_seed=3",
        "--data.init_args.selection_seed=3",
        "--data.sampler=random",
        "--data.init_args.sampler.init_args.candidate_ratio=2",
        "--run.root=elsewhere",
        "--trainer.devices=2",
    ],
)
def test_what_comparing_sets_itself_is_refused_by_name(
    option: str, small: tuple[str, ...], workplace: Path, refused: Callable[..., str]
) -> None:
    for given in ([option], option.split("=")):
        message = refused("compare", *small, "--samplers", "random", *given)
        assert f"found {option.partition('=')[0]}, which it sets itself" in message
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("way", ["option", "option in two words", "class path", "config"])
def test_labels_of_one_selection_cannot_compare_selections(
    way: str, small: tuple[str, ...], workplace: Path, refused: Callable[..., str]
) -> None:
    config = workplace / "stored.yaml"
    teacher = {"class_path": "semdd_lightning.training.StoredLabels", "init_args": {"path": "labels"}}
    config.write_text(yaml.safe_dump({"model": {"init_args": {"teacher": teacher}}}))
    words = {
        "option": ["--model.teacher=StoredLabels", "--model.teacher.path=labels"],
        "option in two words": ["--model.init_args.teacher", "StoredLabels", "--model.teacher.path=labels"],
        "class path": [
            "--model.teacher.class_path=semdd_lightning.training.StoredLabels",
            "--model.teacher.path=labels",
        ],
        "config": [f"--config={config}"],
    }
    message = refused("compare", *small, "--samplers", "random", "two_stage", *words[way])
    assert "found StoredLabels, which hold the labels of one selection; give the teacher itself" in message
    assert [path.name for path in workplace.iterdir()] == ["stored.yaml"], "before the first run"


def test_a_broken_config_is_refused(workplace: Path, refused: Callable[..., str]) -> None:
    (workplace / "broken.yaml").write_text("data: [")
    message = refused("compare", "--config=broken.yaml", "--samplers", "random")
    assert "Expected a config in YAML" in message
    assert [path.name for path in workplace.iterdir()] == ["broken.yaml"]


def test_an_interrupted_comparison_goes_on(
    experiment: Path, small: tuple[str, ...], refused: Callable[..., str]
) -> None:
    words = ["compare", *small, f"--config={experiment}", "--samplers", "two_stage", "random"]
    words += ["--seeds", "0", "--out=table"]
    assert main(words) == 0
    out = Path("table")
    first = {
        name: json.loads((out / f"{name}-seed0" / "result.json").read_text())
        for name in ("two_stage", "random")
    }
    kept = (out / "two_stage-seed0" / "result.json").stat().st_mtime_ns
    table = pd.read_csv(out / "comparison.csv")[ACCURACIES]
    untested = json.loads(json.dumps(first["random"]))  # where only training had ended
    del untested["metrics"]["test_top1"]
    experiment.write_text(experiment.read_text() + "# a comment changes nothing\n")
    for suffix, left, place in ((".unfinished", None, out), (".unfinished.1", untested, out.absolute())):
        result = out / "random-seed0" / "result.json"
        result.unlink() if left is None else result.write_text(json.dumps(left))
        assert main([*words[:-1], f"--out={place}"]) == 0
        assert (out / f"random-seed0{suffix}" / "config.yaml").is_file()
        assert (out / "two_stage-seed0" / "result.json").stat().st_mtime_ns == kept, "it is not run again"
        assert json.loads(result.read_text())["metrics"] == first["random"]["metrics"]
        pd.testing.assert_frame_equal(pd.read_csv(out / "comparison.csv")[ACCURACIES], table)

    assert "nothing was overwritten" in refused(*words, "--data.ipc=3")
    with (
        pytest.MonkeyPatch.context() as variables
    ):  # which go below configs, and would be no part of a command
        variables.setenv("SEMDD_FIT__TRAINER__MAX_STEPS", "1")
        assert "variable (SEMDD_FIT__...); nothing was overwritten" in refused(*words)
    experiment.write_text(experiment.read_text() + "seed_everything: 3\n")
    assert "nothing was overwritten" in refused(*words)
