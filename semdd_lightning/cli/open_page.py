"""``semdd open``: show the page of a selection or a comparison in the browser."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from semdd_lightning.errors import RunError
from semdd_lightning.experiment.run.directory import PAGE
from semdd_lightning.names import shown


def run(command: str, argv: list[str]) -> int:
    """Print where the page lies and open it."""
    parser = argparse.ArgumentParser(
        prog="semdd open",
        description="Show what a selection chose, and why, or what a comparison found, in the browser: one "
        "page that needs no network.",
    )
    parser.add_argument("run", type=Path, help="directory of `semdd select`, `fit` or `compare`, or its page")
    parser.add_argument("--print", action="store_true", help="print where the page lies, and open nothing")
    options = parser.parse_args(argv)
    page = _page(options.run)
    print(shown(page))
    if not options.print and not webbrowser.open(page.as_uri()):
        print("No browser is here to open it; give this path to one.")
    return 0


def _page(run: Path) -> Path:
    page = (run / PAGE if run.is_dir() else run).absolute()
    if page.suffix == ".html" and page.is_file():
        return page
    found = sorted(run.glob(f"*/{PAGE}")) if run.is_dir() else []
    advice = (
        f"give one of the {len(found)} below it, as {found[0].parent}"
        if found
        else "give the directory of `semdd select` or `compare`, or of a `semdd fit` that chose from a pool, "
        "or the page that `semdd audit` names"
    )
    msg = f"Expected {PAGE} at {run.absolute()}, found none; {advice}."
    raise RunError(msg)
