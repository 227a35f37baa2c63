"""Counts what docs/architecture.md says of the package: files that a run touches, and lines.

    python scripts/count_structure.py

It runs the quickstart's `fit` with two passes in a temporary folder and watches which functions are called.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
import threading
from pathlib import Path
from types import CodeType, FrameType

import semdd_lightning

PACKAGE = Path(semdd_lightning.__file__).parent


def main() -> None:
    """Print the counts as rows of a Markdown table."""
    called = watched_fit()
    files = {Path(code.co_filename) for code in called}
    all_files = [path for path in PACKAGE.rglob("*.py") if path.read_text().strip()]
    print(f"| files with functions that run in a quickstart `fit` | {len(files)} of {len(all_files)} |")
    for folder in ("", "pools", "cli"):
        print(f"| lines of `semdd_lightning/{folder}` | {lines(PACKAGE / folder):,} |")
    ratio = lines(PACKAGE.parent / "tests") / lines(PACKAGE)
    print(f"| lines of tests for one of the package | {ratio:.2f} |")


def watched_fit() -> set[CodeType]:
    """The functions of the package that are called in a small `fit`."""
    from semdd_lightning.cli.main import main as semdd

    called = set[CodeType]()

    def watch(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        of_function = code.co_flags & inspect.CO_OPTIMIZED  # which the bodies of modules and classes are not
        if event == "call" and of_function and code.co_filename.startswith(str(PACKAGE)):
            called.add(code)

    with tempfile.TemporaryDirectory() as folder:
        argv = ["fit", "--config=quickstart.yaml", "--data.passes=2", "--trainer.accelerator=cpu"]
        threading.setprofile(watch)
        sys.setprofile(watch)
        try:
            semdd([*argv, f"--run.directory={folder}/run", f"--data.cache_dir={folder}/cache"])
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return called


def lines(folder: Path) -> int:
    """Lines of the Python files below a folder."""
    return sum(len(path.read_text().splitlines()) for path in folder.rglob("*.py"))


if __name__ == "__main__":
    main()
