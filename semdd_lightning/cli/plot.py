"""``semdd plot``: tables and figures of a comparison, again or to another baseline."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from semdd_lightning.cli.options import command_parser
from semdd_lightning.errors import RunError
from semdd_lightning.experiment.run.directory import VERSIONS, from_here
from semdd_lightning.export import read_manifest
from semdd_lightning.names import shown
from semdd_lightning.pools.files import require_outside

if TYPE_CHECKING:  # matplotlib, which the help can be printed without
    from semdd_lightning.report.comparison import Comparison

RECORDS = (VERSIONS, "cells.json", "manifest.json")  # of runs, whose pages are their own
EPILOG = """examples:
  semdd plot runs/quickstart-compare/TIME
  semdd plot runs/quickstart-compare/TIME --baseline relevance --out against_relevance --format pdf

The same in Python: Comparison.load(DIR).table(), .summary(), .plot("differences").
"""


def run(command: str, argv: list[str]) -> int:
    """Print and write tables, and draw figures."""
    options = _parser().parse_args(argv)
    from semdd_lightning.atomic import write_atomically
    from semdd_lightning.report.comparison import Comparison, saved
    from semdd_lightning.studies.reporting import write_reports

    comparison = Comparison.load(options.comparison)
    kinds = options.kind or comparison.kinds(options.baseline)
    figures = {kind: comparison.plot(kind, options.baseline) for kind in kinds}  # before anything is written
    out = options.out or options.comparison
    if out.resolve() != options.comparison.resolve():
        _check_place(out, options.comparison, comparison)
    write_reports(options.comparison, options.baseline, out)
    for kind, figure in figures.items():
        path = out / f"{kind}.{options.format}"
        write_atomically(path, saved(figure, options.format))
        print(shown(from_here(path.absolute())))
    return 0


def _check_place(out: Path, directory: Path, comparison: Comparison) -> None:
    """Refuse to write over the pages of something else, or among the images of a pool."""
    if (found := next((name for name in RECORDS if (out / name).exists()), None)) is not None:
        msg = f"Expected {out} to hold nothing but tables and figures, found {found}; give another --out."
        raise RunError(msg)
    pools: dict[str | int, str] = {}
    for run in comparison.runs:
        with suppress(RunError):  # of a run that did not come to its selection
            if run.axes["pool"] not in pools:
                pools[run.axes["pool"]] = read_manifest(directory / run.directory).pool_root
    for images in pools.values():
        require_outside(out, images)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "plot", "Tables and figures of a comparison, from its record: nothing is run.", EPILOG
    )
    parser.add_argument("comparison", type=Path, help="directory of `semdd compare`, finished or not")
    parser.add_argument(
        "--kind",
        nargs="+",
        help="accuracy, differences, ipc, pool_size or metrics (default: all that there is something for)",
    )
    parser.add_argument(
        "--baseline", help="sampler that differences are taken to (default random, else the grid's last)"
    )
    parser.add_argument("--out", type=Path, help="where to write to (default: the comparison's directory)")
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png", help="default png")
    return parser
