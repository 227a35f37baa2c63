"""Choices by hand from the command line on: `--choices`, `data.choices`, the record of both, and `verify`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from semdd_lightning.cli.main import main
from semdd_lightning.errors import ChoicesError, TooFewImagesError
from semdd_lightning.export import Choices, read_manifest, read_table

WORDS = ("select", "pool", "--ipc=2", "--sampler=two_stage", "--prior=digits")


@pytest.fixture
def pool(digits: Path, workplace: Path) -> Path:
    """Six digits per class, one of them a copy, and two files beside them."""
    folder = shutil.copytree(digits, workplace / "pool")
    shutil.copy(folder / "3" / "000.png", folder / "3" / "copy.png")
    (folder / "3" / "broken.png").write_text("no image")
    (folder / "notes").with_suffix(".txt").write_text("of no class")
    return folder


def write(text: str) -> Path:
    file = Path("choices.csv")
    file.write_text(f"path,choice\n{text}")
    return file


def test_choices_are_honoured_recorded_and_verified(
    pool: Path, capsys: pytest.CaptureFixture[str], workplace: Path
) -> None:
    assert main([*WORDS, "--out=before"]) == 0
    before = read_manifest("before")
    first = before.paths[0]
    pinned = ("0/004.png", "0/003.png")
    file = write(
        f"0/004.png,pin\n0/003.png,pin\n5/001.png,pin\n{before.paths[4]},strike\n3/copy.png,strike\n"
    )
    assert main([*WORDS, "--choices=choices.csv", "--out=after"]) == 0
    manifest, table = read_manifest("after"), read_table(Path("after")).set_index("path")
    assert manifest.paths[:2] == pinned
    assert first not in manifest.paths or first in pinned
    assert manifest.paths[10] == "5/001.png"
    assert before.paths[4] not in manifest.paths
    assert manifest.choices is not None
    assert manifest.choices.digest == sha256(file.read_bytes()).hexdigest()
    assert (manifest.choices.pinned, manifest.choices.struck) == (
        (*pinned, "5/001.png"),
        (before.paths[4], "3/copy.png"),
    )
    assert table.loc[list(manifest.choices.pinned), "reason"].tolist() == ["pinned by hand"] * 3
    assert table.loc[before.paths[4], "reason"] == "struck out by hand"
    assert table.loc["3/copy.png", "reason"] == "duplicate of 3/000.png"
    unlike = [
        i for i, paths in enumerate(zip(before.paths, manifest.paths, strict=True)) if len(set(paths)) > 1
    ]
    assert {i // 2 for i in unlike} <= {0, 2, 5}, "other classes are chosen as before"
    assert set(table.index[table["stage"] == "selected"]) == set(manifest.paths)
    assert len(manifest.paths) == 20
    page = Path("after/report.html").read_text()
    assert "--prior=digits --choices choices.csv" in page
    assert "--out" not in page.partition("The command that chooses by them")[2].partition("</section>")[0]
    file.unlink()  # the manifest holds what it said
    capsys.readouterr()
    assert main(["verify", "after"]) == 0
    (pool / "5" / "001.png").unlink()
    assert main(["verify", "after"]) == 1
    assert "has changed since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/004.png,pin\n0/400.png,pin\n", "line 3 of choices.csv to name an image of the pool"),
        ("notes.txt,strike\n", "line 2 of choices.csv to name an image of one of the classes"),
        ("3/copy.png,pin\n", r"line 2 .* found 3/copy.png \(duplicate of 3/000.png\); pin another"),
        ("3/broken.png,pin\n", "line 2 .* found 3/broken.png .unreadable"),
        ("".join(f"4/00{i}.png,pin\n" for i in range(3)), "line 4 .* at most 2 pinned images of class '4'"),
        ("".join(f"4/00{i}.png,strike\n" for i in range(5)), "line 6 .* at least 2 images of class '4'"),
        ("4/001.png,pin\n4/001.png,strike\n", "Expected one choice for 4/001.png, found pin in line 2"),
        ("4/001.png,drop\n", "line 2 of choices.csv to hold strike or pin"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_line(
    pool: Path, refused: Callable[..., str], text: str, message: str, workplace: Path
) -> None:
    write(text)
    said = refused(*WORDS, "--choices=choices.csv", "--out=after")
    assert re.search(message, said), said
    assert not Path("after").exists()


def test_fit_honours_them_and_select_takes_them_from_its_config(
    finished: Path, fit: Callable[..., Path], workplace: Path
) -> None:
    manifest = read_manifest(finished)
    write(f"{manifest.paths[0]},strike\n{read_table(finished)['path'][11]},pin\n")
    config = {"data": {"init_args": {"choices": "choices.csv"}}}
    Path("mine.yaml").write_text(json.dumps(config))
    directory = fit("--data.pool.init_args.seed=5", "--config=mine.yaml")
    of_fit = read_manifest(directory)
    assert manifest.paths[0] not in of_fit.paths
    assert of_fit.paths[0] == read_table(finished)["path"][11]
    assert "--data.choices choices.csv" in (directory / "report.html").read_text()
    assert main(["verify", str(directory)]) == 0
    assert main(["select", f"--config={directory / 'config.yaml'}", "--out=chosen"]) == 0
    assert read_manifest("chosen").paths == of_fit.paths


def test_the_python_form(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from semdd_lightning import select

    given = Choices.of(struck=["0/000.png"], pinned=["1/005.png"])
    chosen = select(pool, "digits", 2, "two_stage", choices=given)
    assert chosen.paths[2] == "1/005.png"
    assert "0/000.png" not in chosen.paths
    assert chosen.manifest.choices is not None
    assert chosen.manifest.choices.digest is None
    monkeypatch.setenv("COLUMNS", "40")
    shown = repr(chosen.report())
    assert "..." not in shown
    assert all(name in shown for name in (*chosen.report().columns, *chosen.report().index))
    assert max(map(len, shown.splitlines())) <= 40
    with pytest.raises(ChoicesError, match="what is pinned to name an image of the pool"):
        select(pool, "digits", 2, choices=Choices.of(pinned=["9/900.png"]))
    with pytest.raises(TooFewImagesError, match="what is struck out to leave at least 6"):
        select(pool, "digits", 6, choices=Choices.of(struck=["0/000.png"]))
    with pytest.raises(ChoicesError, match="No such file"):
        select(pool, "digits", 2, choices="none.csv")
