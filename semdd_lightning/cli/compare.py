"""``semdd compare``: a grid of pools, samplers, students, seeds and more, one run per cell, one table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.options import at_least_one, command_parser
from semdd_lightning.errors import ConfigError, RunError
from semdd_lightning.experiment.config.configs import find_config, with_bases
from semdd_lightning.experiment.config.options import parse_value
from semdd_lightning.experiment.config.sampler_options import ParserWithChoices
from semdd_lightning.experiment.run.directory import command_of, tell_to_resume, write_versions
from semdd_lightning.experiment.run.ownership import claim_apart
from semdd_lightning.locks import remove_stale_locks
from semdd_lightning.names import get_logger
from semdd_lightning.pools.files import require_apart

if TYPE_CHECKING:  # torch, which the help can be printed without
    from semdd_lightning.studies.plan import Plan
    from semdd_lightning.studies.runs import Runs

logger = get_logger(__name__)

FAILED = 1
AXES: dict[str, tuple[type, str]] = {
    "pools": (str, "configs of pools, which go over --config"),
    "priors": (str, "models that score the pools, as `semdd select --prior` has them"),
    "samplers": (str, "names out of those below, or paths of classes"),
    "students": (str, "networks, as conv3"),
    "protocols": (str, "configs of protocols, as hard or protocols/hard.yaml"),
    "ipc": (int, "images per class"),
    "seeds": (int, "of selection and training alike (default 0 1 2)"),
    "selection-seeds": (int, "of the selection alone, each with every one of the training"),
    "training-seeds": (int, "of the training alone"),
}
EPILOG = """examples:
  semdd compare --config quickstart.yaml --samplers two_stage random --seeds 0 1 2 3 4
  semdd compare --config compare/quickstart.yaml
  semdd compare --config cifar10.yaml --samplers two_stage random --ipc 1 10 --protocols hard rded --dry-run

The axes stand in the section `compare` of a config, or here; what is given here goes over the config's. Each
cell of the grid is a run of its own. For seed s, training runs with seed_everything s, and samplers that draw
select with seed s, so that samplers are compared on the same initial students. A sampler that the config
spells out with arguments keeps them. Further options go to every run: semdd compare ... --data.passes 50

The same command with its directory as --out goes on with an interrupted comparison and tries failed cells
again; a larger grid runs what is new. Finished cells are read, not run again, unless they were made with
other versions, another pool or other files than now. If a cell failed, the exit status is 1.
"""


def run(command: str, argv: list[str]) -> int:
    """Run every cell, then print and write the tables."""
    from semdd_lightning.studies.axes import read_section
    from semdd_lightning.studies.plan import make_plan
    from semdd_lightning.studies.workers import slurm_parameters

    options, overrides = _parser().parse_known_args(argv)
    options.slurm = None if options.slurm is None else slurm_parameters(options.slurm)
    configs = [find_config(name) for name in options.config]
    plan = make_plan(configs, read_section(configs, _axes(options)), overrides)
    _check_baseline(options.baseline, plan)
    out = None if options.out is None else options.out.expanduser().absolute()
    if options.dry_run:
        return _show(out or Path("runs").absolute() / "new", plan, options.jobs or 1)
    if options.cells is not None:
        if out is None:
            msg = "Expected --out beside --cells, found none; give the directory of the comparison."
            raise ConfigError(msg)
        return _run_some(out, plan, argv, options)
    root, again = Path("runs").absolute(), out is not None and command_of(out)[:1] == [command]
    with claim_apart(out, root, f"{configs[0].stem}-compare", plan.images, again=again) as claim:
        from semdd_lightning.studies.reporting import report_comparison
        from semdd_lightning.studies.runs import Runs

        if command_of(claim.directory)[:1] == [command]:
            logger.info("Going on with the comparison in %s", claim.directory)
        else:
            claim.clear()
        remove_stale_locks(claim.directory)
        runs = Runs(claim.directory, plan)
        write_versions(claim.directory, [command, *argv], with_bases(configs))
        runs.write()
        if runs.left:
            claim.go_on()
        try:
            _run_all(runs, options)
        except BaseException:
            tell_to_resume(claim.directory)
            raise
        remove_stale_locks(claim.directory)  # of processes that were killed
        report_comparison(claim.directory, options.baseline)
        return FAILED if runs.left else 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "compare",
        "Train students on what several samplers choose, over several seeds, and compare them.",
        EPILOG,
        ParserWithChoices,
        allow_abbrev=False,  # what is unknown here goes to the runs
    )
    parser.add_argument("--config", required=True, action="append", help="config of `semdd fit`; may repeat")
    axes = parser.add_argument_group(
        "axes", "each value is a word, or a mapping of label and settings: docs/comparing.md"
    )
    for axis, (kind, text) in AXES.items():
        axes.add_argument(f"--{axis}", nargs="+", type=kind, help=text)
    parser.add_argument(
        "--out",
        type=Path,
        help="new directory, or that of a comparison to go on with (default runs/CONFIG-compare/TIME)",
    )
    parser.add_argument(
        "--baseline", help="sampler that differences are taken to (default random, else the grid's last)"
    )
    parser.add_argument(
        "--jobs", type=at_least_one, help="cells at a time, in processes of their own (default 1)"
    )
    parser.add_argument(
        "--slurm",
        nargs="+",
        metavar="KEY=VALUE",
        help="as an array of SLURM, in --jobs tasks or one per cell: partition=gpu timeout_min=60",
    )
    parser.add_argument(
        "--cells",
        nargs="+",
        type=int,
        metavar="N",
        help="run these cells of --out alone, by their numbers in --dry-run, beside processes with others",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show the cells and what is left, and write nothing"
    )
    return parser


def _axes(options: argparse.Namespace) -> dict[str, Any]:
    """The axes that the command line gives, each value once."""
    names = [axis.replace("-", "_") for axis in AXES]
    return {
        name: [
            parse_value(word) if str(word).lstrip().startswith("{") else word for word in dict.fromkeys(words)
        ]
        for name in names
        if (words := getattr(options, name)) is not None
    }


def _check_baseline(wanted: str | None, plan: Plan) -> None:
    """Refuse, before anything runs, a baseline that no cell will have."""
    samplers = list(dict.fromkeys(str(cell.axes["sampler"]) for cell in plan.cells))
    if wanted is not None and wanted not in samplers:
        known = ", ".join(samplers)
        msg = f"Expected --baseline out of {known}, found {wanted!r}; correct it, or add it to --samplers."
        raise ConfigError(msg)


def _check_free(out: Path, plan: Plan) -> None:
    """Refuse what is there and no comparison, or where images lie, as who claims it does."""
    for place in plan.images:
        require_apart(out, place)
    if out.exists() and not out.is_dir():
        msg = f"Expected {out} to be a directory, found a file; give another --out."
        raise RunError(msg)
    taken = out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir())
    if taken and command_of(out)[:1] != ["compare"]:
        msg = f"Expected {out} to be new, found it there; nothing was overwritten, give another."
        raise RunError(msg)


def _run_all(runs: Runs, options: argparse.Namespace) -> None:
    from semdd_lightning.studies.reporting import CellsProgress
    from semdd_lightning.studies.workers import run_here, run_on_slurm, run_side_by_side

    left, jobs = runs.left, options.jobs or 1
    with CellsProgress(runs, jobs if options.slurm is None else options.jobs or len(left) or 1) as progress:
        if options.slurm is not None:
            run_on_slurm(progress, left, options.slurm, options.jobs)
        elif jobs > 1:
            run_side_by_side(progress, left, jobs)
        else:
            run_here(progress, left)


def _run_some(out: Path, plan: Plan, argv: list[str], options: argparse.Namespace) -> int:
    """Run single cells, beside other processes that run others of the same grid."""
    from semdd_lightning.studies.reporting import CellsProgress
    from semdd_lightning.studies.runs import Runs
    from semdd_lightning.studies.workers import run_here

    wrong = [index for index in options.cells if not 0 <= index < len(plan.cells)]
    if wrong:
        msg = f"Expected --cells from 0 to {len(plan.cells) - 1}, found {wrong[0]}; --dry-run lists them."
        raise ConfigError(msg)
    _check_free(out, plan)
    if command_of(out)[:1] != ["compare"]:
        write_versions(out, ["compare", *argv], with_bases([find_config(name) for name in options.config]))
    runs = Runs(out, plan)
    runs.join()
    with CellsProgress(runs) as progress:
        run_here(progress, [index for index in options.cells if index in runs.left])
    return FAILED if any(runs.cells[index].state == "failed" for index in options.cells) else 0


def _show(out: Path, plan: Plan, jobs: int) -> int:
    """Say what would run."""
    from rich.console import Console

    from semdd_lightning.report.tables import print_plain
    from semdd_lightning.studies.reporting import CellsProgress
    from semdd_lightning.studies.runs import Runs

    _check_free(out, plan)
    console, runs = Console(), Runs(out, plan)
    for index, cell in enumerate(runs.cells):
        change = runs.changes.get(cell.directory)
        what = {"finished": "finished, is reused", "failed": f"failed, is tried again ({cell.error})"}
        said = f"is made again: {change}" if change else what.get(cell.state, "is to run")
        print_plain(console, f"{index} {cell.directory}: {said}")
    left = len(runs.left)
    print_plain(console, f"{len(runs.cells)} cells, {len(runs.cells) - left} finished, {left} to run.")
    print_plain(console, CellsProgress(runs, jobs).estimate())
    return 0
