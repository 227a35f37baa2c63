"""``semdd tune``: search parameters of a sampler and of training, out of reach of the test split."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.options import at_least_one, command_parser
from semdd_lightning.errors import ConfigError, RunError
from semdd_lightning.experiment.config.configs import find_config, with_bases
from semdd_lightning.experiment.config.options import parse_value
from semdd_lightning.experiment.config.sampler_options import ParserWithChoices
from semdd_lightning.experiment.run.directory import command_of, from_here, tell_to_resume, write_versions
from semdd_lightning.experiment.run.ownership import claim_apart
from semdd_lightning.names import get_logger

if TYPE_CHECKING:  # of an extra, and torch
    from optuna import Study

    from semdd_lightning.studies.search import Search

logger = get_logger(__name__)
BEST, TRIALS = "best.yaml", "trials.csv"
FAILED = 1
SHOWN = 10  # trials in the table
EPILOG = """examples:
  semdd tune --config quickstart.yaml --sampler two_stage --trials 20 --out tuned
  semdd tune --config quickstart.yaml --vary data.sampler.candidate_ratio=[1.0,4.0] data.batch_size=[25,100]

A trial is a run for each seed, judged by its accuracy on data.validation after the last pass. Without such
images, --held-out images at the end of each class of the pool are put aside, which cannot be chosen then. The
test split is taken out of the config before anything else: it is for the end, with best.yaml.
Ranges stand in the section `tune` of a config, {OPTION: [LOW, HIGH]}, or here; further options go to every
run.
The same command with its directory as --out goes on where it stopped; more --trials add to those there are.
"""


def run(command: str, argv: list[str]) -> int:
    """Run trials, write the best of them as a config, and print the table."""
    options, overrides = _parser().parse_known_args(argv)
    from semdd_lightning.data.image_settings import check_seed
    from semdd_lightning.studies.search import plan_search
    from semdd_lightning.studies.study import ended, open_study, readable, run_trials

    seeds = list(dict.fromkeys(options.seeds))
    for seed in seeds:
        check_seed("--seeds", seed)
    configs = [find_config(name) for name in options.config]
    search = plan_search(configs, overrides, options.sampler, _ranges(options.vary), options.held_out)
    wanted = None if options.out is None else options.out.expanduser().absolute()
    again = wanted is not None and command_of(wanted)[:1] == [command]
    root = Path("runs").absolute()
    with claim_apart(wanted, root, f"{configs[0].stem}-tune", search.images, again=again) as claim:
        if command_of(claim.directory)[:1] != [command]:
            claim.clear()
        study = open_study(claim.directory, search, seeds)
        write_versions(claim.directory, [command, *argv], with_bases(configs))
        claim.go_on()
        with readable(claim.directory):
            try:
                run_trials(study, search, claim.directory, seeds, options.trials)
            except BaseException:
                tell_to_resume(claim.directory)
                raise
            _report(study, search, claim.directory, seeds)
            return FAILED if any("error" in trial.user_attrs for trial in ended(study)) else 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "tune",
        "Search parameters of a sampler and of training by accuracy on validation images.",
        EPILOG,
        ParserWithChoices,
        allow_abbrev=False,  # what is unknown here goes to the runs
    )
    parser.add_argument("--config", required=True, action="append", help="config of `semdd fit`; may repeat")
    parser.add_argument(
        "--sampler", help="name out of those below, or path of a class (default: the config's)"
    )
    parser.add_argument(
        "--trials", type=at_least_one, default=20, help="how many there are to be (default 20)"
    )
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[0, 1, 2], help="runs of a trial (default 0 1 2)"
    )
    parser.add_argument(
        "--vary",
        nargs="+",
        default=[],
        metavar="OPTION=RANGE",
        help="[LOW, HIGH], or choices (default: the sampler's own)",
    )
    parser.add_argument(
        "--held-out",
        type=at_least_one,
        default=10,
        help="images per class to judge by, where the config has no data.validation (default 10)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="new directory, or that of a search to go on with (default runs/CONFIG-tune/TIME)",
    )
    return parser


def _ranges(words: list[str]) -> dict[str, Any]:
    pairs = [word.partition("=") for word in words]
    for name, _, value in pairs:
        if not name or not value:
            msg = f"Expected --vary OPTION=RANGE, as data.batch_size=[16,64], found {name!r}; correct it."
            raise ConfigError(msg)
    return {name.replace(".init_args", ""): parse_value(value) for name, _, value in pairs}


def _report(study: Study, search: Search, directory: Path, seeds: list[int]) -> None:
    """Write the best values as a config, print the table and what comes next."""
    from rich.console import Console

    from semdd_lightning.atomic import write_csv, write_text
    from semdd_lightning.experiment.experiment import saved_config
    from semdd_lightning.names import command
    from semdd_lightning.report.tables import FoldingTable, plain, print_next_commands
    from semdd_lightning.selection import sampler_kind
    from semdd_lightning.studies.study import METRIC, trial_table

    table = trial_table(study, search)
    write_csv(directory / TRIALS, table)
    printed = FoldingTable(title=plain(f"The best of {len(table)} trials, by accuracy on validation images"))
    shown = table.head(SHOWN).drop(columns=[] if table["error"].any() else "error")
    for name in shown.columns:
        short = name.removeprefix("data.").removeprefix("sampler.")
        printed.add_column(plain("top-1 %" if name == METRIC else short))
    for row in shown.to_dict("records"):
        printed.add_row(*(plain(_cell(name, value)) for name, value in row.items()))
    console = Console()
    console.print(printed)
    if not (table["state"] == "complete").any():
        error = next(filter(None, table["error"]), "nobody knows why.")
        msg = f"Expected a trial that finishes, found none: {error} Correct that, and give another --out."
        raise RunError(msg)
    head = f"# The best of {len(table)} trials: {100 * study.best_value:.2f} % of validation images.\n"
    write_text(directory / BEST, head + saved_config(search.options(study.best_trial.params)))
    config = ["--config", from_here(directory / BEST)]
    samplers = dict.fromkeys([sampler_kind(search.sampler["class_path"]).name, "random"])
    compare = command("semdd", "compare", *config, "--samplers", *samplers, "--seeds", *range(5))
    print_next_commands(console, [command("semdd", "fit", *config), compare])


def _cell(name: object, value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{100 * value:.2f}" if name == "val_top1" else f"{value:.4g}"
    return str(value)
