"""Every notebook is generated from its script, and runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from nbformat.v4 import new_code_cell

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(NOTEBOOKS.glob("*.py"))
SHOWS = {  # what comes out: pictures at least, and a text
    "audit_class_order": (2, "clearly better: by text, 11 % of the images"),
    "compare": (3, "Against random (ipc 10, hard labels): better: good"),
    "inspect_subset": (5, "two_stage chose 100 of 500 images, 10 per class"),
    "own_sampler": (1, "strata"),
    "stored_labels": (0, "int8, all logits"),
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_is_its_script(script: Path) -> None:
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    of_script = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    of_notebook = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert of_notebook == of_script, f"run: jupytext --to ipynb --execute notebooks/{script.name}"


def test_no_notebook_is_without_a_script() -> None:
    assert [path.with_suffix(".py") for path in sorted(NOTEBOOKS.glob("*.ipynb"))] == SCRIPTS


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelManager]:
    """One process for all notebooks: importing the package takes longer than most of them."""
    with pytest.MonkeyPatch.context() as shell:
        shell.delenv("MPLBACKEND", raising=False)  # a notebook draws inline, whatever the shell says
        manager, client = start_new_kernel(
            kernel_name="python3", cwd=str(tmp_path_factory.mktemp("notebooks"))
        )
    yield manager
    client.stop_channels()
    manager.shutdown_kernel()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_runs(script: Path, kernel: KernelManager) -> None:
    notebook = jupytext.read(script)
    notebook.cells.insert(0, new_code_cell("%reset -f"))  # names of another notebook
    nbclient.NotebookClient(notebook, timeout=300, km=kernel).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures, said = SHOWS[script.stem]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= pictures
    text = "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in outputs)
    assert said in text
