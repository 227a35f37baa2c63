"""The grid of `semdd compare`: axes of a config, cells that are reused, that fail, or run side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from semdd_lightning.cli.main import main
from semdd_lightning.evaluation import Cell, read_cells
from semdd_lightning.export import read_manifest

HARD = {
    "model": {
        "class_path": "ClassifierModule",
        "init_args": {
            "network": {"class_path": "semdd_lightning.models.ConvNet", "init_args": {"depth": 1, "width": 4}}
        },
    }
}
WIDE = {"label": "wide", "class_path": "two_stage", "init_args": {"candidate_ratio": 4.0}}

DYING = """
import os, signal
from dataclasses import dataclass
from semdd_lightning.selection import Random

@dataclass(frozen=True)
class Dying(Random):
    def pick(self, *_):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def base(workplace: Path, small: tuple[str, ...]) -> Path:
    """A folder with the quickstart in a second as a config, and a protocol with hard labels."""
    folder = workplace / "configs"
    folder.mkdir()
    student = {"class_path": "semdd_lightning.models.ConvNet"}
    student["init_args"] = {"depth": 1, "width": 8, "norm": "instance"}  # type: ignore[assignment]
    data = {"pool": {"init_args": {"images_per_class": 12}}, "ipc": 2, "passes": 1, "passes_per_epoch": 1}
    content = {
        "base": "quickstart.yaml",
        "data": {"init_args": {**data, "validation": None}},
        "model": {"init_args": {"student": student}},
        "trainer": {"accelerator": "cpu"},
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(content))
    (folder / "hard.yaml").write_text(yaml.safe_dump(HARD))
    return folder


def comparison(base: Path, **axes: Any) -> str:  # noqa: ANN401 - what a config may hold
    file = base / "grid.yaml"
    file.write_text(yaml.safe_dump({"base": "small.yaml", "compare": axes}))
    return str(file)


def times(out: str) -> dict[str, int]:
    return {file.parent.name: file.stat().st_mtime_ns for file in Path(out).glob("*/result.json")}


def states(out: str) -> list[tuple[str, str]]:
    return [(cell.directory, cell.state) for cell in read_cells(Path(out))]


def places(cells: list[Cell], *axes: str) -> list[tuple[str | int, ...]]:
    return [tuple(cell.axes[axis] for axis in axes) for cell in cells]


def test_a_grid_of_a_config_that_grows(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {
        "label": "other",
        "config": "small.yaml",
        "data": {"init_args": {"pool": {"init_args": {"seed": 6}}}},
    }
    axes = {"pools": ["small", other], "samplers": ["random", WIDE], "protocols": ["hard"], "seeds": [0]}
    config = comparison(base, **axes)
    words = ["compare", f"--config={config}", "--out=grid"]
    assert main([*words, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "4 cells, 0 finished, 4 to run.\nTime and bytes cannot be known" in text
    assert not Path("grid").exists()
    assert main(words) == 0
    cells = read_cells(Path("grid"))
    assert places(cells, "pool", "sampler", "protocol") == [
        (pool, sampler, "hard") for pool in ("small", "other") for sampler in ("random", "wide")
    ]
    assert [cell.directory for cell in cells] == [
        "small-random-seed0", "small-wide-seed0", "other-random-seed0", "other-wide-seed0"
    ]  # fmt: skip
    manifests = [read_manifest(Path("grid") / cell.directory) for cell in cells]
    assert manifests[1].sampler["init_args"]["candidate_ratio"] == 4
    assert [manifest.pool["init_args"]["seed"] for manifest in manifests] == [0, 0, 6, 6]
    assert capsys.readouterr().out.count("Test accuracy: ") == 2, "a table per pool"
    assert pd.read_csv("grid/comparison.csv")["pool"].tolist() == ["small", "small", "other", "other"]

    # a larger grid, with hard and soft labels and another name for each cell, runs what is new
    before = times("grid")
    axes |= {"pools": ["small"], "protocols": ["hard", {"label": "soft"}], "ipc": [2, 3]}
    comparison(base, **axes)
    assert main([*words, "--dry-run", "--samplers", "random"]) == 0
    text = capsys.readouterr().out
    assert "0 small-random-seed0: finished, is reused" in text
    assert "4 cells, 1 finished, 3 to run.\nTime and bytes cannot be known" in text
    assert main([*words, "--samplers", "random"]) == 0
    after = times("grid")
    assert {name: after[name] for name in before} == before
    cells = read_cells(Path("grid"))
    assert places(cells, "protocol", "ipc") == [("hard", 2), ("hard", 3), ("soft", 2), ("soft", 3)]
    assert [cell.labels for cell in cells] == ["hard", "hard", "online", "online"]
    assert [cell.directory for cell in cells[:2]] == ["small-random-seed0", "random-ipc3-hard-seed0"]
    assert main([*words, "--dry-run"]) == 0
    assert "8 cells, 5 finished, 3 to run.\nAbout 0:0" in capsys.readouterr().out
    assert times("grid") == after


def test_a_failed_cell_is_recorded_and_tried_again(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = comparison(base, samplers=["random"], ipc=[13, 1], selection_seeds=[0], training_seeds=[0, 1])
    words = ["compare", f"--config={config}", "--out=grid", "--data.audit=off"]
    for _ in range(2):
        assert main(words) == 1
        assert states("grid") == [
            ("random-ipc13-seed0", "failed"),
            ("random-ipc1-seed0", "finished"),
            ("random-ipc13-select0-train1", "failed"),
            ("random-ipc1-select0-train1", "finished"),
        ]
        said = capsys.readouterr()
        assert "2 of 4 cells failed" in said.err
        assert "random" in said.out, "the others have their table"
        error = read_cells(Path("grid"))[0].error
        assert error is not None
        assert "13" in error
        assert error.endswith(".")
        assert f"the first by: {error} The same command tries" in said.err
    assert main([*words, "--dry-run"]) == 0
    assert "failed, is tried again (Expected" in capsys.readouterr().out
    assert main([*words, "--ipc", "1"]) == 0, "a smaller grid that is whole"
    assert len(times("grid")) == 2


def test_single_cells_and_several_at_a_time(
    base: Path, workplace: Path, digits: Path, refused: Callable[..., str]
) -> None:
    """A process that the system kills takes its cell with it, and no other."""
    (workplace / "dying.py").write_text(DYING)
    config = comparison(base, samplers=["random", "dying.Dying"], ipc=[1, 2], seeds=[0])
    words = ["compare", f"--config={config}", "--out=grid"]
    assert main([*words, "--cells", "2"]) == 0
    assert [state for _, state in states("grid")] == ["waiting", "waiting", "finished", "waiting"]
    first = times("grid")
    assert main([*words, "--jobs", "2"]) == 1
    cells = read_cells(Path("grid"))
    assert [cell.state for cell in cells] == ["finished", "failed", "finished", "failed"]
    assert cells[1].error == "The process that ran it ended with signal SIGKILL."
    assert times("grid") | first == times("grid")
    assert not [*Path("grid").glob(".*")]
    pool = ["--data.pool=ClassFolders", f"--data.pool.path={digits}"]
    for how in (["--cells", "0"], ["--dry-run"]):
        assert "outside of the images" in refused(*words[:-1], *pool, f"--out={digits}/grid", *how)


def test_an_array_of_slurm(base: Path) -> None:
    pytest.importorskip("submitit")
    config = comparison(base, samplers=["random"], ipc=[1, 13], seeds=[0])
    words = ["compare", f"--config={config}", "--out=grid", "--jobs", "1", "--slurm", "cluster=local"]
    assert main([*words, "timeout_min=5"]) == 1
    assert [state for _, state in states("grid")] == ["finished", "failed"]


@pytest.mark.parametrize(
    ("axes", "found"),
    [
        ({"sampler": ["random"]}, "sampler: Unexpected keyword argument"),
        ({"samplers": []}, "samplers: List should have at least 1 item"),
        ({"samplers": "random"}, "samplers: Input should be a valid array"),
        ({"samplers": ["nosuch"]}, "found 'nosuch'"),
        ({"samplers": ["random", "random"]}, "Expected every label once in samplers, found 'random' twice"),
        (
            {"samplers": [WIDE, {"label": "wide"}]},
            "Expected every label once in samplers, found 'wide' twice",
        ),
        ({"samplers": [{"class_path": "two_stage"}]}, "Expected a label in every mapping of samplers"),
        ({"samplers": [{**WIDE, "label": 3}]}, "Expected a label in every mapping of samplers"),
        ({"samplers": [{**WIDE, "init_args": {"ratio": 1}}]}, "Expected parameters of the sampler two_stage"),
        ({"samplers": [{**WIDE, "ratio": 1}]}, "Expected a mapping of samplers with label, class_path"),
        ({"samplers": [WIDE, {**WIDE, "label": "again"}]}, "Expected cells that differ"),
        ({"ipc": [0]}, "Input should be greater than or equal to 1"),
        ({"ipc": [1.5]}, "valid integer"),
        ({"ipc": [True]}, "valid integer"),
        ({"ipc": [{"label": "ten"}]}, "Expected a label in every mapping of ipc, a number"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0"),
        ({"seeds": [0], "training_seeds": [1]}, "Expected seeds, or selection_seeds and training_seeds"),
        ({"seeds": [3, 3]}, "twice"),
        ({"pools": ["nosuch"]}, "Expected a config at"),
        ({"pools": [{"label": "p", "path": "x"}]}, "found path; correct the names"),
        ({"pools": [{"label": "p", "config": 3}]}, "Expected `config` of 'p' in pools to name configs"),
        ({"pools": [{"label": "p", "data.ipcs": 3}]}, "ipcs"),
        ({"pools": [{"label": "p", "data.sampler": "random"}]}, "found --data.sampler, which it sets itself"),
        ({"samplers": [{"label": "s", "data.ipc": 3}]}, "found --data.ipc, which it sets itself"),
        ({"ipc": [{"label": 5, "data": {"ipc": 3}}]}, "found --data.ipc, which it sets itself"),
        ({"pools": [{"label": "p", "data": {"init_args": {"ipc": 3}}}], "ipc": [1]}, "which it sets itself"),
        ({"ipc": [10**30]}, "Expected a place on each of pool"),
        ({"ipc": [True]}, "Input should be a valid integer"),
        ({"students": [{"label": "s", "width": 3}]}, "Expected a mapping of students"),
        ({"students": ["nosuch"]}, "Expected a network to be one of conv3"),
        ({"students": ["conv6"]}, "Expected images of at least 64 px"),
        ({"priors": ["nosuch"]}, "Expected a model directory"),
        ({"ipc": [*range(1, 401)], "seeds": [*range(300)]}, "at most 100,000 cells, found 120,000"),
    ],
)
def test_what_is_no_axis_is_refused_before_the_first_cell(
    axes: dict[str, Any], found: str, base: Path, refused: Callable[..., str]
) -> None:
    message = refused("compare", f"--config={comparison(base, **axes)}", "--out=grid")
    assert found in message
    assert message.startswith("semdd compare: Expected ")
    assert not Path("grid").exists()


def test_an_option_that_an_axis_sets_is_refused(base: Path, refused: Callable[..., str]) -> None:
    config = comparison(base, ipc=[1, 2])
    message = refused("compare", f"--config={config}", "--data.ipc=3")
    assert "found --data.ipc, which it sets itself for each run; instead there is --ipc" in message
    assert "from 0 to 5, found 6" in refused("compare", f"--config={config}", "--out=grid", "--cells", "6")
    assert "found none; give the directory" in refused("compare", f"--config={config}", "--cells", "0")
    assert "Expected --slurm KEY=VALUE" in refused("compare", f"--config={config}", "--slurm", "gpu")


def test_a_run_of_the_config_leaves_out_what_it_compares(base: Path) -> None:
    config = comparison(base, samplers=["random", WIDE])
    assert main(["fit", f"--config={config}", "--run.directory=one"]) == 0
    assert json.loads(Path("one/result.json").read_text())["sampler"] == "two_stage"
