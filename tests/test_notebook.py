"""Every notebook is generated from its script, and runs."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(NOTEBOOKS.glob("*.py"))
SHOWS = {  # what comes out: pictures at least, and a text
    "audit_class_order": (2, "whose folders are permuted"),
    "inspect_subset": (5, "two_stage chose 100 of 500 images, 10 per class"),
    "own_sampler": (1, "strata"),
    "stored_labels": (0, "int8, all logits"),
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_is_its_script(script: Path) -> None:
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)  # type: ignore[no-untyped-call]
    of_script = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    of_notebook = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert of_notebook == of_script, f"run: jupytext --to ipynb --execute notebooks/{script.name}"


def test_no_notebook_is_without_a_script() -> None:
    assert [path.with_suffix(".py") for path in sorted(NOTEBOOKS.glob("*.ipynb"))] == SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_runs(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a notebook draws inline, whatever the shell says
    notebook = jupytext.read(script)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures, said = SHOWS[script.stem]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= pictures
    text = "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in outputs)
    assert said in text
