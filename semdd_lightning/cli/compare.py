"""``semdd compare``: several samplers and seeds, one run each, one table."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from semdd_lightning.cli.configs import find_config
from semdd_lightning.cli.run_directory import claim_directory, create_run_directory, write_versions
from semdd_lightning.errors import ConfigError

logger = logging.getLogger(__name__)

EPILOG = """example:
  semdd compare --config quickstart.yaml --samplers two_stage random --seeds 0 1 2 3 4

For seed s, training runs with seed_everything s, and samplers that draw select with seed s, so that samplers
are compared on the same initial students. A sampler that the config spells out with arguments keeps them.
Further options go to every run: semdd compare --config cifar10.yaml ... --data.ipc 50
"""


def run(command: str, words: list[str]) -> int:
    """Run every cell, then print and write the table."""
    options, overrides = _parser().parse_known_args(words)
    samplers = list(dict.fromkeys(options.samplers))
    seeds = list(dict.fromkeys(options.seeds))
    configs = [find_config(name) for name in options.config]
    _check_samplers(samplers)
    directory = (
        claim_directory(options.out.absolute())
        if options.out is not None
        else create_run_directory(Path("runs").absolute(), f"{configs[0].stem}-compare")
    )
    write_versions(directory, [command, *words])
    cells = []
    for seed in seeds:  # seed by seed, so that an interrupted comparison is still paired
        for sampler in samplers:
            cells.append(_run_cell(configs, sampler, seed, directory, overrides))
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
    parser.add_argument("--out", type=Path, help="new directory (default runs/CONFIG-compare/TIME)")
    return parser


def _check_samplers(samplers: list[str]) -> None:
    from semdd_lightning.selection import build_sampler

    for name in samplers:
        build_sampler(name)


def _run_cell(configs: list[Path], sampler: str, seed: int, directory: Path, overrides: list[str]) -> Any:  # noqa: ANN401 - a Cell; importing it here would import torch for --help
    from semdd_lightning.cli.experiment import run_experiment
    from semdd_lightning.evaluation import Cell

    cell_directory = directory / f"{sampler}-seed{seed}"
    words = ["fit", *(f"--config={path}" for path in configs), *overrides]
    words += [f"--seed_everything={seed}", f"--data.init_args.selection_seed={seed}"]
    words += [
        f"--run.directory={cell_directory}",
        "--trainer.devices=1",
        "--trainer.enable_progress_bar=false",
    ]
    if not _spelled_out(configs, sampler):
        words.append(f"--data.init_args.sampler={sampler}")
    result = run_experiment(words)
    if "test_top1" not in result.metrics:
        msg = "Expected a test split to compare on, found none; give data.test an image set."
        raise ConfigError(msg)
    return Cell(
        sampler, seed, result.metrics["test_top1"], result.metrics.get("test_top5"), str(cell_directory)
    )


def _spelled_out(configs: list[Path], sampler: str) -> bool:
    """Whether the last config that names a sampler gives this one with arguments, which are kept."""
    import yaml

    from semdd_lightning.selection import SAMPLERS

    given: Any = None
    for path in configs:
        content = yaml.safe_load(path.read_text()) or {}
        given = (content.get("data") or {}).get("init_args", {}).get("sampler", given)
    class_path = given.get("class_path", "") if isinstance(given, dict) else ""
    return str(class_path).rpartition(".")[2] == SAMPLERS[sampler].__name__


def _write_cells(directory: Path, cells: list[Any]) -> None:
    from semdd_lightning.export import write_json

    write_json(directory / "cells.json", {"cells": [asdict(cell) for cell in cells]})


def _print(cells: list[Any], baseline: str, directory: Path) -> None:
    from semdd_lightning.evaluation import comparison_table
    from semdd_lightning.report import print_comparison

    table = comparison_table(cells, baseline)
    table.to_csv(directory / "comparison.csv")
    (directory / "comparison.json").write_text(
        json.dumps(json.loads(table.to_json(orient="index")), indent=2)
    )
    print_comparison(table, baseline, directory)
