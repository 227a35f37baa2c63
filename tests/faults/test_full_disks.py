"""A disk that takes no more, and paths that are something else: one message, status 2, nothing cut."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import semdd_lightning
from semdd_lightning.cli.main import main
from semdd_lightning.errors import SemddError
from semdd_lightning.experiment.run.ownership import is_unfinished
from semdd_lightning.export import read_manifest, read_table
from tests.full_disk import disk_of


def _a_file(path: Path) -> None:
    path.write_text("x")


def _a_link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere/at/all")


def _a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [_a_file, _a_link_to_nowhere, _a_link_to_itself])
@pytest.mark.parametrize("place", ["cache", "out", "below out"])
def test_a_folder_that_is_none_is_named(
    make: Callable[[Path], None],
    place: str,
    coloured_pool: Path,
    tiny_clip_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "odd")
    out = {"cache": "chosen", "out": "odd", "below out": "odd/chosen"}[place]
    if place == "cache":
        monkeypatch.setenv("SEMDD_CACHE", str(tmp_path / "odd"))
    words = ["select", str(coloured_pool), "--ipc=1", f"--prior={tiny_clip_dir}", "--audit=off"]
    assert main([*words, f"--out={tmp_path / out}"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("semdd select: Expected ")
    assert "/odd" in said
    assert "give another" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("size", [0, 100, 1_000, 5_000])
def test_a_full_disk_leaves_nothing_cut(
    size: int,
    coloured_pool: Path,
    tiny_clip_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "chosen"
    words = ["select", str(coloured_pool), "--ipc=1", f"--prior={tiny_clip_dir}", f"--out={out}"]
    with disk_of(size):
        assert main([*words, "--audit=off"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "Expected to write" in said
    assert "found File too large" in said
    assert "free disk space" in said
    if out.exists() and not is_unfinished(out):  # what is there under its final name is whole
        assert read_manifest(out).ipc == 1
        assert isinstance(read_table(out), pd.DataFrame)
    assert main([*words[:-1], f"--out={tmp_path / 'again'}", "--audit=off"]) == 0


@pytest.mark.parametrize("target", ["/dev/full", "closed pipe"])
def test_an_output_that_takes_nothing(target: str, coloured_pool: Path) -> None:
    command = [sys.executable, "-m", "semdd_lightning", "pool", "inspect", str(coloured_pool)]
    folder = Path(semdd_lightning.__file__).parents[1]
    if target == "closed pipe":
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder)
        assert process.stdout is not None
        process.stdout.close()
    else:
        with Path(target).open("wb") as full:
            process = subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, cwd=folder)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    process.stderr.close()
    status = process.wait()
    assert status in ((2,) if target == "/dev/full" else (1, 141)), said  # rich ends a closed pipe with 1
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert status != 2 or "No space left on device" in said


def test_a_disk_is_known_by_its_error_alone() -> None:
    from semdd_lightning.atomic import disk_error, is_of_disk

    assert is_of_disk(OSError(28, "No space left on device"))
    assert not is_of_disk(OSError("anything"))
    assert not is_of_disk(FileNotFoundError(2, "No such file or directory"))
    assert isinstance(disk_error(OSError(5, "Input/output error"), "x"), SemddError)
