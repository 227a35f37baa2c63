"""Directories are taken over from the dead, and from nobody else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from semdd_lightning.errors import RunError
from semdd_lightning.experiment.run.ownership import MARK, Claim, claim_new, is_unfinished


def test_what_a_dead_process_claimed_is_taken_over(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    (directory / "half").mkdir(parents=True)
    (directory / MARK).write_text("process 1 on another host\n")
    with Claim(directory) as claim:
        assert claim.holds_something
        claim.clear()
        assert not claim.holds_something
        (directory / "whole").touch()
        assert is_unfinished(directory)
    assert [path.name for path in directory.iterdir()] == ["whole"]
    with pytest.raises(RunError, match="nothing was overwritten"):
        Claim(directory)


def test_what_a_living_process_fills_is_refused(tmp_path: Path) -> None:
    with Claim(tmp_path / "out"), pytest.raises(RunError, match=r"process \d+ on .* fills it right now"):
        Claim(tmp_path / "out")


def test_a_failure_leaves_no_empty_directory_and_a_mark_on_others(tmp_path: Path) -> None:
    def fail(file: str | None) -> None:
        with Claim(tmp_path / "out"):
            if file is not None:
                (tmp_path / "out" / file).touch()
            raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"):
        fail(None)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="disk full"):
        fail("file")
    assert is_unfinished(tmp_path / "out")


@pytest.mark.parametrize("dear", ["last.ckpt", "passes-00000-00009.safetensors"])
def test_what_took_long_is_not_thrown_away(tmp_path: Path, dear: str) -> None:
    (tmp_path / "cell").mkdir()
    (tmp_path / MARK).touch()
    (tmp_path / "cell" / dear).touch()
    with pytest.raises(RunError, match=r"`semdd resume .*` goes on with it"), Claim(tmp_path) as claim:
        claim.clear()
    assert (tmp_path / "cell" / dear).exists()


def test_a_finished_one_that_is_opened_again_stays_finished(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    directory.mkdir()
    (directory / "table").touch()

    def fail() -> None:
        with Claim(directory, again=True):
            raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"):
        fail()
    assert [path.name for path in directory.iterdir()] == ["table"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/../..", "/elsewhere"])
def test_a_name_does_not_lead_out_of_the_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a name for a folder below .*/runs, found"):
        claim_new(tmp_path / "runs", name)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "--run.directory=pool/out"),
        ("fit", "--run.root=.", "--run.name=pool"),
        ("fit", "--data.reference.class_path=ClassFolders", "--data.reference.path=real", "--run.root=real"),
        ("relabel", "--out=pool/out"),
        ("compare", "--samplers", "random", "--out=pool/out"),
        ("select", "pool", "--ipc=1", "--prior=digits", "--out=pool/out"),
        ("select", "pool", "--ipc=1", "--prior=digits", "--reference=real", "--out=real/out"),
    ],
)
def test_no_command_writes_where_it_reads(
    words: tuple[str, ...], small: tuple[str, ...], coloured_pool: Path, refused: Callable[..., str]
) -> None:
    for name in ("pool", "real"):
        shutil.copytree(coloured_pool, name)
    pool = [word for word in small if "--data.pool" not in word]
    pool += ["--data.pool.class_path=ClassFolders", "--data.pool.path=pool"]
    message = refused(words[0], *([] if words[0] == "select" else pool), *words[1:])
    assert "for the output outside of the images in" in message.splitlines()[-1]
    assert sorted(path.name for path in Path("pool").iterdir()) == ["blue", "green", "red"]


def test_new_directories_have_names_of_their_own(tmp_path: Path) -> None:
    with claim_new(tmp_path, "run") as one, claim_new(tmp_path, "run") as other:
        assert one.directory != other.directory
