"""The notebook is generated from its script, and runs."""

from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def test_notebook_is_the_scripts() -> None:
    script = jupytext.read(NOTEBOOKS / "inspect_subset.py")
    notebook = nbformat.read(NOTEBOOKS / "inspect_subset.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    of_script = [(cell.cell_type, cell.source) for cell in script.cells]
    of_notebook = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert of_notebook == of_script, "run: jupytext --to ipynb --execute notebooks/inspect_subset.py"


def test_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a notebook draws inline, whatever the shell says
    notebook = jupytext.read(NOTEBOOKS / "inspect_subset.py")
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    images = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(images) >= 5
    text = "".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))
    assert "two_stage chose 100 of 500 images, 10 per class" in text
