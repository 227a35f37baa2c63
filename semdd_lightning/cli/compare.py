"""``semdd compare``: several samplers and seeds, one run each, one table."""

from __future__ import annotations

import argparse
import json
import logging
import re
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.choices_help import ParserWithChoices
from semdd_lightning.cli.configs import find_config, read_data_arguments, with_bases
from semdd_lightning.cli.made_with import image_folders, made_otherwise
from semdd_lightning.cli.options import flatten
from semdd_lightning.cli.ownership import Claim, claim_apart, is_unfinished
from semdd_lightning.cli.run_directory import config_digests, read_versions, write_versions
from semdd_lightning.errors import ConfigError

if TYPE_CHECKING:  # torch, which the help can be printed without
    from semdd_lightning.cli.run_result import RunResult

logger = logging.getLogger(__name__)

EPILOG = """example:
  semdd compare --config quickstart.yaml --samplers two_stage random --seeds 0 1 2 3 4

For seed s, training runs with seed_everything s, and samplers that draw select with seed s, so that samplers
are compared on the same initial students. A sampler that the config spells out with arguments keeps them.
Further options go to every run: semdd compare --config cifar10.yaml ... --data.ipc 50

An interrupted comparison goes on when the same command is given again with its directory as --out: finished
runs are read, not run again, unless they were made with other versions, another pool or other files than now.
"""
_NO_FILE_NAME = re.compile(r"[^\w.-]")  # an installed sampler may have any name
SET_HERE = {  # option of a run -> what compare has in its place
    "--seed_everything": "--seeds",
    "--data.selection_seed": "--seeds",
    "--data.init_args.selection_seed": "--seeds",
    "--data.sampler": "--samplers, with arguments in a config",
    "--data.init_args.sampler": "--samplers, with arguments in a config",
    "--run": "--out",
    "--trainer.devices": "no choice: each run has one device",
}


def run(command: str, argv: list[str]) -> int:
    """Run every cell, then print and write the table."""
    options, overrides = _parser().parse_known_args(argv)
    seeds = list(dict.fromkeys(options.seeds))
    configs = [find_config(name) for name in options.config]
    for config in configs:
        read_data_arguments(config)
    _check_overrides(overrides)
    samplers = _distinct(options.samplers)
    _check_seeds(seeds)
    settings = _settings(_cell_argv(configs, samplers[0], seeds[0], Path("cell"), overrides))
    _check_labels(settings)
    argv = [command, *argv]
    with _claim(options.out, configs, argv, settings) as claim:
        if _holds_the_same(claim.directory, configs, argv):
            logger.info("Going on with the comparison in %s", claim.directory)
        else:
            claim.clear()
            write_versions(claim.directory, argv, with_bases(configs))
        cells = []
        for seed in seeds:  # seed by seed, so that an interrupted comparison is still paired
            for sampler in samplers:
                cells.append(_cell(configs, sampler, seed, claim.directory, overrides))
                logger.info("%s, seed %d: top-1 %.2f %%", sampler, seed, 100 * cells[-1].top1)
                _write_cells(claim.directory, cells)
        baseline = "random" if "random" in samplers else samplers[-1]
        _print(cells, baseline, claim.directory)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ParserWithChoices(
        prog="semdd compare",
        description="Train students on what several samplers choose, over several seeds, and compare them.",
        epilog=EPILOG,
        allow_abbrev=False,  # what is unknown here goes to the runs
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, action="append", help="config of `semdd fit`; may repeat")
    parser.add_argument(
        "--samplers", required=True, nargs="+", help="names out of those below, or paths of classes"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="seeds (default 0 1 2)")
    parser.add_argument(
        "--out",
        type=Path,
        help="new directory, or that of the same command, interrupted (default runs/CONFIG-compare/TIME)",
    )
    return parser


def _check_seeds(seeds: list[int]) -> None:
    from semdd_lightning.data.seeds import check_seed

    for seed in seeds:
        check_seed("--seeds", seed)


def _distinct(names: list[str]) -> list[str]:
    """Each sampler once, by the first of its names; those of this package by their short names."""
    from semdd_lightning.selection import SAMPLERS, build_sampler

    kinds: dict[type, str] = {}
    for name in names:
        kind = type(build_sampler(name))
        kinds.setdefault(kind, kind.name if SAMPLERS.get(kind.name) is kind else name)
    return list(kinds.values())


def _check_overrides(overrides: list[str]) -> None:
    for word in overrides:
        option = word.partition("=")[0].rstrip("+")
        for name, instead in SET_HERE.items():
            if option == name or option.startswith(f"{name}."):
                msg = (
                    f"Expected options that comparing leaves open, found {option}, which it sets itself for "
                    f"each run; instead there is {instead}."
                )
                raise ConfigError(msg)


def _settings(argv: list[str]) -> dict[str, Any]:
    """All settings of a run, nested; whatever is wrong with them is refused before the first."""
    from semdd_lightning.cli.experiment import parsed_experiment

    return parsed_experiment(argv).as_dict()


def _check_labels(settings: dict[str, Any]) -> None:
    """Stored labels are those of one selection; every sampler makes its own."""
    teacher = flatten(settings).get("model.teacher.class_path")
    if str(teacher).rpartition(".")[2] == "StoredLabels":
        msg = (
            "Expected a teacher that can label what each sampler chooses, found StoredLabels, which hold the "
            "labels of one selection; give the teacher itself, --model.teacher with its arguments, or for "
            "each sampler `semdd relabel` and `semdd fit` from its labels."
        )
        raise ConfigError(msg)


def _claim(wanted: Path | None, configs: list[Path], argv: list[str], settings: dict[str, Any]) -> Claim:
    """A new directory, or that of the same comparison, interrupted or finished."""
    wanted = None if wanted is None else wanted.expanduser().absolute()
    again = wanted is not None and _holds_the_same(wanted, configs, argv)
    name = f"{configs[0].stem}-compare"
    return claim_apart(wanted, Path("runs").absolute(), name, image_folders(settings), again=again)


def _holds_the_same(directory: Path, configs: list[Path], argv: list[str]) -> bool:
    """Whether a directory is that of the same command with the same configs, wherever it was to write."""
    versions = read_versions(directory)
    return (
        versions is not None
        and _without_out(list(versions.command[1:])) == _without_out(argv)
        and versions.configs == config_digests(with_bases(configs))
    )


def _without_out(argv: list[str]) -> list[str]:
    kept = [word for word in argv if not word.startswith("--out=")]
    if "--out" in kept:
        place = kept.index("--out")
        del kept[place : place + 2]
    return kept


def _cell(configs: list[Path], sampler: str, seed: int, directory: Path, overrides: list[str]) -> Any:  # noqa: ANN401 - a Cell; importing it here would import torch for --help
    """One run of the comparison: read if it is finished, else run."""
    from semdd_lightning.cli.run_result import read_result
    from semdd_lightning.evaluation.comparison import Cell

    cell_directory = directory / f"{_NO_FILE_NAME.sub('_', sampler)}-seed{seed}"
    argv = _cell_argv(configs, sampler, seed, cell_directory, overrides)
    result = read_result(cell_directory)
    if result is None or "test_top1" not in result.metrics:
        if not is_unfinished(cell_directory):  # else its training goes on
            _set_aside(cell_directory, "unfinished")
        result = _run_cell(argv)
    elif (change := made_otherwise(cell_directory, result)) is not None:
        _set_aside(cell_directory, "older", f": {change}")
        result = _run_cell(argv)
    metrics, labels = result.metrics, (result.labels or {}).get("kind")
    return Cell(
        sampler,
        seed,
        metrics["test_top1"],
        metrics.get("test_top5"),
        str(cell_directory),
        labels,
        tuple(result.cut_short),
    )


def _set_aside(directory: Path, what: str, why: str = "") -> None:
    """Keep an unfinished or older run under another name."""
    if not directory.exists():
        return
    name = f"{directory.name}.{what}"
    taken = {path.name for path in directory.parent.iterdir()}
    names = chain([name], (f"{name}.{number}" for number in count(1)))
    aside = next(free for free in names if free not in taken)
    directory.rename(directory.with_name(aside))
    logger.warning("An %s run is kept as %s and run anew%s.", what, directory.with_name(aside), why)


def _cell_argv(
    configs: list[Path], sampler: str, seed: int, directory: Path, overrides: list[str]
) -> list[str]:
    """The command line of one run."""
    argv = ["fit", *(f"--config={path}" for path in configs), "--trainer.enable_progress_bar=false"]
    argv += [*overrides, f"--seed_everything={seed}", f"--data.init_args.selection_seed={seed}"]
    argv += [f"--run.directory={directory}", "--trainer.devices=1"]
    return argv if _spelled_out(configs, sampler) else [*argv, f"--data.init_args.sampler={sampler}"]


def _run_cell(argv: list[str]) -> RunResult:
    from semdd_lightning.cli.experiment import run_experiment

    result = run_experiment(argv)
    if "test_top1" not in result.metrics:
        found = "; ".join(result.cut_short) or "none"
        msg = f"Expected a test to compare by, found {found}; give data.test an image set, and test it."
        raise ConfigError(msg)
    return result


def _spelled_out(configs: list[Path], sampler: str) -> bool:
    """Whether the last config that names a sampler gives this one with arguments, which are kept."""
    from semdd_lightning.selection import sampler_kind

    given: Any = None
    for path in configs:
        given = read_data_arguments(path).get("sampler", given)
    class_path = given.get("class_path") if isinstance(given, dict) else None
    return class_path is not None and sampler_kind(str(class_path)) is sampler_kind(sampler)


def _write_cells(directory: Path, cells: list[Any]) -> None:
    from semdd_lightning.records import write_record

    write_record(directory / "cells.json", {"cells": [asdict(cell) for cell in cells]})


def _print(cells: list[Any], baseline: str, directory: Path) -> None:
    from semdd_lightning.cli.run_result import read_result
    from semdd_lightning.evaluation.comparison import comparison_table
    from semdd_lightning.export import write_csv, write_json
    from semdd_lightning.report import print_comparison

    table = comparison_table(cells, baseline)
    write_csv(directory / "comparison.csv", table, index=True)
    result = read_result(Path(cells[-1].directory))
    alike = ("protocol", "quirks", "protocol_changes")  # in all cells
    measured = {key: getattr(result, key, None) for key in alike}
    measured["cut_short"] = sorted({text for cell in cells for text in cell.cut_short})
    samplers = json.loads(table.to_json(orient="index"))
    write_json(directory / "comparison.json", {**measured, "samplers": samplers})
    print_comparison(table, baseline, directory, measured)
