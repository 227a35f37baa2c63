"""`semdd plot`: reports and figures of a comparison from its record alone, to any baseline and place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest

from semdd_lightning.cli.main import main
from semdd_lightning.evaluation import write_cells
from semdd_lightning.export import read_manifest
from semdd_lightning.records import write_record
from tests.evaluation.grids import cell, runs

REPORTS = {"comparison.csv", "comparison.md", "comparison.tex", "report.html"}


@pytest.fixture
def compared(workplace: Path) -> Path:
    """Directory of a comparison with one cell that failed and one run that has a page."""
    folder = workplace / "compared"
    cells = runs({"random": [0.4, 0.5, 0.45], "=top": [0.6, 0.7, 0.68], "flat": [0.4, 0.52, 0.44]})
    write_cells(folder, [*cells, cell("late", 0, state="failed", error="Expected memory, found none.")])
    (folder / cells[0].directory).mkdir()
    (folder / cells[0].directory / "report.html").touch()
    return folder


@pytest.mark.parametrize(
    ("out", "found"),
    [("another", "cells.json"), ("chosen", "versions.json"), ("pool/cat", "outside of the images")],
)
def test_nothing_is_drawn_over_other_results_or_into_a_pool(
    out: str, found: str, compared: Path, chosen: Path, refused: Callable[..., str]
) -> None:
    write_cells(Path("another"), runs({"random": [0.4]}))
    manifest = replace(read_manifest(chosen), pool_root=str(Path("pool").absolute()))
    run = compared / "digits-clip-10-conv3-hard-random-0-0"
    write_record(run / "manifest.json", asdict(manifest))
    Path("pool/cat").mkdir(parents=True)
    assert found in refused("plot", "compared", "--out", out)
    assert list(Path("pool/cat").iterdir()) == []


def test_all_that_there_is_something_for(compared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "compared"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "compared/accuracy.png compared/differences.png" in text
    assert "Against random (hard labels): better: =top (+21.00)" in text
    made = {path.name for path in compared.iterdir() if path.is_file()}
    assert made == REPORTS | {"accuracy.png", "differences.png", "cells.json"}
    table = pd.read_csv(compared / "comparison.csv", index_col="sampler")
    assert table.index.tolist() == ["random", "'=top", "flat"], "no spreadsheet takes it for a formula"
    page = (compared / "report.html").read_text()
    assert 'href="./digits-clip-10-conv3-hard-random-0-0/report.html"' in page
    assert page.count("/report.html") == 1, "a run without a page has no link"

    assert main(["open", "compared", "--print"]) == 0
    assert capsys.readouterr().out.strip() == str(compared / "report.html")


def test_another_baseline_place_and_format(compared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name for path in compared.iterdir()}
    words = ["--baseline", "flat", "--kind", "differences", "--format", "pdf", "--out", "paper/figures"]
    assert main(["plot", "compared", *words]) == 0
    out = Path("paper/figures")
    assert {path.name for path in out.iterdir()} == REPORTS | {"differences.pdf"}
    assert (out / "differences.pdf").read_bytes().startswith(b"%PDF")
    assert pd.read_csv(out / "comparison.csv")["verdict"].tolist()[2] == "baseline"
    assert 'href="./../../compared/digits' in (out / "report.html").read_text()
    assert {path.name for path in compared.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["compared", "--baseline", "herding"], "found 'herding'"),
        (["compared", "--kind", "pie"], "found 'pie'"),
        (["compared", "--kind", "accuracy", "ipc"], "for the figure ipc, found none"),
        (["nowhere"], "Expected nowhere/cells.json to be whole and of its form"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_is_written(
    words: list[str], found: str, compared: Path, refused: Callable[..., str]
) -> None:
    before = {path.name for path in compared.parent.rglob("*")}
    message = refused("plot", *words)
    assert message.startswith("semdd plot: Expected ")
    assert found in message
    assert {path.name for path in compared.parent.rglob("*")} == before
