"""``semdd compare``: several samplers and seeds, one run each, one table."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path
from typing import Any

from semdd_lightning.cli.configs import find_config, read_data_arguments
from semdd_lightning.cli.options import options_of
from semdd_lightning.cli.run_directory import (
    claim_directory,
    config_digests,
    create_run_directory,
    write_versions,
)
from semdd_lightning.errors import ConfigError

logger = logging.getLogger(__name__)

EPILOG = """example:
  semdd compare --config quickstart.yaml --samplers two_stage random --seeds 0 1 2 3 4

For seed s, training runs with seed_everything s, and samplers that draw select with seed s, so that samplers
are compared on the same initial students. A sampler that the config spells out with arguments keeps them.
Further options go to every run: semdd compare --config cifar10.yaml ... --data.ipc 50

An interrupted comparison goes on when the same command is given again with its directory as --out: finished
runs are read, not run again.
"""
SET_HERE = {  # option of a run -> what compare has in its place
    "--seed_everything": "--seeds",
    "--data.selection_seed": "--seeds",
    "--data.init_args.selection_seed": "--seeds",
    "--data.sampler": "--samplers, with arguments in a config",
    "--data.init_args.sampler": "--samplers, with arguments in a config",
    "--run": "--out",
    "--trainer.devices": "no choice: each run has one device",
}


def run(command: str, words: list[str]) -> int:
    """Run every cell, then print and write the table."""
    options, overrides = _parser().parse_known_args(words)
    samplers = list(dict.fromkeys(options.samplers))
    seeds = list(dict.fromkeys(options.seeds))
    configs = [find_config(name) for name in options.config]
    for config in configs:
        read_data_arguments(config)
    _check_overrides(overrides)
    _check_samplers(samplers)
    _check_labels(configs, overrides)
    directory = _directory(options.out, configs, [command, *words])
    cells = []
    for seed in seeds:  # seed by seed, so that an interrupted comparison is still paired
        for sampler in samplers:
            cells.append(_cell(configs, sampler, seed, directory, overrides))
            logger.info("%s, seed %d: top-1 %.2f %%", sampler, seed, 100 * cells[-1].top1)
            _write_cells(directory, cells)
    baseline = "random" if "random" in samplers else samplers[-1]
    _print(cells, baseline, directory)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="semdd compare",
        description="Train students on what several samplers choose, over several seeds, and compare them.",
        epilog=EPILOG,
        allow_abbrev=False,  # what is unknown here goes to the runs
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, action="append", help="config of `semdd fit`; may repeat")
    parser.add_argument(
        "--samplers", required=True, nargs="+", help="short names, as two_stage random k_center"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="seeds (default 0 1 2)")
    parser.add_argument(
        "--out",
        type=Path,
        help="new directory, or that of the same command, interrupted (default runs/CONFIG-compare/TIME)",
    )
    return parser


def _check_samplers(samplers: list[str]) -> None:
    from semdd_lightning.selection import build_sampler

    for name in samplers:
        build_sampler(name)


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


def _check_labels(configs: list[Path], overrides: list[str]) -> None:
    """Stored labels are those of one selection; every sampler makes its own."""
    options = options_of([*(f"--config={path}" for path in configs), *overrides])
    teacher = options.get("model.teacher.class_path", options.get("model.teacher"))
    if str(teacher).rpartition(".")[2] == "StoredLabels":
        msg = (
            "Expected a teacher that can label what each sampler chooses, found StoredLabels, which hold the "
            "labels of one selection; give the teacher itself, --model.teacher with its arguments, or for "
            "each sampler `semdd relabel` and `semdd fit` from its labels."
        )
        raise ConfigError(msg)


def _directory(wanted: Path | None, configs: list[Path], words: list[str]) -> Path:
    """A new directory, or the one where the same comparison was interrupted."""
    if wanted is None:
        directory = create_run_directory(Path("runs").absolute(), f"{configs[0].stem}-compare")
    else:
        directory = wanted.expanduser().absolute()
        if _holds_the_same(directory, configs, words):
            logger.info("Going on with the comparison in %s", directory)
            return directory
        claim_directory(directory)
    write_versions(directory, words, configs)
    return directory


def _holds_the_same(directory: Path, configs: list[Path], words: list[str]) -> bool:
    """Whether a directory is that of the same command with the same configs, wherever it was to write."""
    versions = _read_json(directory / "versions.json")
    command = versions.get("command")
    return (
        isinstance(command, list)
        and _without_out(command[1:]) == _without_out(words)
        and versions.get("configs") == config_digests(configs)
    )


def _without_out(words: list[str]) -> list[str]:
    kept = [word for word in words if not word.startswith("--out=")]
    if "--out" in kept:
        place = kept.index("--out")
        del kept[place : place + 2]
    return kept


def _read_json(file: Path) -> dict[str, Any]:
    """A JSON file's mapping; empty if there is no such file or it is none."""
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _cell(configs: list[Path], sampler: str, seed: int, directory: Path, overrides: list[str]) -> Any:  # noqa: ANN401 - a Cell; importing it here would import torch for --help
    """One run of the comparison: read if it is finished, else run."""
    from semdd_lightning.evaluation import Cell

    cell_directory = directory / f"{sampler}-seed{seed}"
    result = _read_json(cell_directory / "result.json")
    if "test_top1" not in result.get("metrics", {}):
        _set_aside(cell_directory)
        result = _run_cell(configs, sampler, seed, cell_directory, overrides)
    metrics, labels = result["metrics"], (result.get("labels") or {}).get("kind")
    return Cell(sampler, seed, metrics["test_top1"], metrics.get("test_top5"), str(cell_directory), labels)


def _set_aside(directory: Path) -> None:
    """Keep what an interrupted run left, under another name."""
    if not directory.exists():
        return
    name = f"{directory.name}.unfinished"
    taken = {path.name for path in directory.parent.iterdir()}
    names = chain([name], (f"{name}.{number}" for number in count(1)))
    aside = next(free for free in names if free not in taken)
    directory.rename(directory.with_name(aside))
    logger.warning("An unfinished run is kept as %s and run anew.", directory.with_name(aside))


def _run_cell(
    configs: list[Path], sampler: str, seed: int, directory: Path, overrides: list[str]
) -> dict[str, Any]:
    from semdd_lightning.cli.experiment import run_experiment

    words = ["fit", *(f"--config={path}" for path in configs), "--trainer.enable_progress_bar=false"]
    words += [*overrides, f"--seed_everything={seed}", f"--data.init_args.selection_seed={seed}"]
    words += [f"--run.directory={directory}", "--trainer.devices=1"]
    if not _spelled_out(configs, sampler):
        words.append(f"--data.init_args.sampler={sampler}")
    result = run_experiment(words)
    if "test_top1" not in result.metrics:
        msg = "Expected a test split to compare on, found none; give data.test an image set."
        raise ConfigError(msg)
    return asdict(result)


def _spelled_out(configs: list[Path], sampler: str) -> bool:
    """Whether the last config that names a sampler gives this one with arguments, which are kept."""
    from semdd_lightning.selection import SAMPLERS

    given: Any = None
    for path in configs:
        given = read_data_arguments(path).get("sampler", given)
    class_path = given.get("class_path", "") if isinstance(given, dict) else ""
    return str(class_path).rpartition(".")[2] == SAMPLERS[sampler].__name__


def _write_cells(directory: Path, cells: list[Any]) -> None:
    from semdd_lightning.export import write_json

    write_json(directory / "cells.json", {"cells": [asdict(cell) for cell in cells]})


def _print(cells: list[Any], baseline: str, directory: Path) -> None:
    from semdd_lightning.evaluation import comparison_table
    from semdd_lightning.export import write_csv, write_json
    from semdd_lightning.report import print_comparison

    table = comparison_table(cells, baseline)
    write_csv(directory / "comparison.csv", table, index=True)
    result = _read_json(Path(cells[-1].directory) / "result.json")
    measured = {key: result.get(key) for key in ("protocol", "quirks", "protocol_changes")}  # alike in all
    samplers = json.loads(table.to_json(orient="index"))
    write_json(directory / "comparison.json", {**measured, "samplers": samplers})
    print_comparison(table, baseline, directory, measured)
