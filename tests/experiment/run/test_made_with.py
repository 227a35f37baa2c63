"""What a run was made with, and where its images lie, by its config."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from semdd_lightning.experiment.run.directory import environment
from semdd_lightning.experiment.run.made_with import image_folders, inputs, made_otherwise
from semdd_lightning.experiment.run.result import RunResult


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """Names a checkpoint, a list of weights, a folder of test images, and what is known otherwise."""
    for name in ("teacher.ckpt", "one.safetensors", "test/cat/0.png", "pool/cat/0.png", "data/cifar/batch"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    root = str(tmp_path)
    return {
        "data": {
            "init_args": {
                "pool": {"init_args": {"path": f"{root}/pool"}},
                "prior": [{"weights": f"{root}/one.safetensors"}, {"name": "digits"}],
                "test": {"init_args": {"path": f"{root}/test"}},
                "validation": {"init_args": {"root": f"{root}/data"}},
                "cache_dir": root,
                "sampler": "random",
                "ipc": 1,
            }
        },
        "model": {"init_args": {"teacher": {"init_args": {"path": f"{root}/teacher.ckpt"}}}},
    }


def test_every_file_and_folder_that_a_config_names_is_known(config: dict[str, Any], tmp_path: Path) -> None:
    assert [Path(path).name for path in inputs(config)] == ["one.safetensors", "teacher.ckpt", "test"]
    assert list(image_folders(config)) == [str(tmp_path / "pool"), str(tmp_path / "test")]


@pytest.mark.parametrize(
    ("changed", "change"),
    [
        ("teacher.ckpt", lambda file: file.write_text("another teacher")),
        ("one.safetensors", lambda file: file.unlink()),
        ("test", lambda folder: (folder / "cat" / "1.png").touch()),
        ("test", lambda folder: (folder / "cat" / "0.png").write_text("test/cat/1.png")),
        ("test", lambda folder: os.utime(folder / "cat" / "0.png")),
    ],
)
def test_a_change_of_one_of_them_is_said(
    config: dict[str, Any], tmp_path: Path, changed: str, change: Callable[[Path], None]
) -> None:
    result = RunResult("fit", [], None, inputs=inputs(config), environment=environment())
    os.utime(tmp_path / "teacher.ckpt")  # of a file, the bytes count
    assert made_otherwise(tmp_path, result) is None
    change(tmp_path / changed)
    assert made_otherwise(tmp_path, result) == f"{tmp_path / changed} has changed since"
