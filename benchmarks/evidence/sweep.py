"""Tries samplers and their parameters on validation images, for docs/results/selection.md.

    python -m benchmarks.evidence.sweep cifar10_400.yaml --ipc 10 --seeds 0 1 2 --out sweep.jsonl
    python -m benchmarks.evidence.sweep --table sweep.jsonl

Run it where the pools of `benchmarks.evidence.pools` lie. Students learn from hard labels and are tested on
the config's validation images; its test split is taken away before anything is read. A line that is in the
file already is not run again. The second form prints what a file holds as a Markdown table.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from semdd_lightning.experiment.experiment import run_experiment
from semdd_lightning.selection import sampler_kind

HERE = Path(__file__).parent
TRIED: dict[str, list[str]] = {
    "random": ["random"],
    "relevance": ["relevance"],
    "two_stage": ["two_stage"],
    "two_stage_classic": ["two_stage_classic"],
    "candidate_ratio 3": ["two_stage", "candidate_ratio=3.0"],
    "candidate_ratio 4": ["two_stage", "candidate_ratio=4.0"],
    "diversity_weight 0": ["two_stage", "diversity_weight=0.0"],
    "diversity_weight 0.4": ["two_stage", "diversity_weight=0.4"],
    "ratio 4, diversity 0.4": ["two_stage", "candidate_ratio=4.0", "diversity_weight=0.4"],
    "refined_share 0.25": ["two_stage", "refined_share=0.25"],
    "refined_share 0.75": ["two_stage", "refined_share=0.75"],
    "text_weight 1": ["two_stage", "text_weight=1.0"],
    "coverage": ["coverage"],
    "learnability_weight 0.5": ["learnable", "learnability_weight=0.5"],
    "learnable, rank": ["learnable", "normalization=rank"],
    "learnable, text_weight 1": ["learnable", "text_weight=1.0"],
    "learnable, ratio 4, diversity 0.4": [
        *("learnable", "candidate_ratio=4.0", "diversity_weight=0.4", "learnability_weight=0.5")
    ],
    "learnability_weight 0.25": ["learnable", "learnability_weight=0.25"],
    "learnability_weight 0.75": ["learnable", "learnability_weight=0.75"],
}
"""Settings: the sampler's short name, and its parameters."""


def main() -> None:
    """Run what is asked for and not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="*", help="configs of this folder, later ones over earlier ones")
    parser.add_argument("--ipc", type=int, nargs="+", default=[10])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=TRIED, default=list(TRIED), help="settings to try")
    parser.add_argument("--out", type=Path, help="file of JSON lines that results are added to")
    parser.add_argument("--table", type=Path, help="file of JSON lines to show")
    options = parser.parse_args()
    if options.table is not None:
        print(table([json.loads(line) for line in options.table.read_text().splitlines()]))
        return
    if not options.config or options.out is None:
        parser.error("give configs and --out, or --table")
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    done = {(r["config"], r["ipc"], r["seed"], r["setting"]) for r in map(json.loads, lines)}
    for ipc, seed, setting in product(options.ipc, options.seeds, options.only):
        key = ("+".join(options.config), ipc, seed, setting)
        if key not in done:
            top1 = accuracy(options.config, ipc, seed, setting)
            line = {"config": key[0], "ipc": ipc, "seed": seed, "setting": setting, "top1": top1}
            with options.out.open("a") as file:
                file.write(json.dumps(line) + "\n")


def accuracy(configs: list[str], ipc: int, seed: int, setting: str) -> float:
    """Validation accuracy of a student, after the last pass.

    Args:
        configs: names of configs in this folder.
        ipc: images per class.
        seed: of the training, and of a random choice.
        setting: a key of `TRIED`.
    """
    sampler, *parameters = TRIED[setting]
    argv = ["fit", *(f"--config={HERE / name}" for name in configs), "--config=protocols/hard.yaml"]
    argv += [f"--config={HERE / 'width64.yaml'}", "--data.test=null", "--trainer.enable_progress_bar=false"]
    argv += [f"--seed_everything={seed}", f"--data.selection_seed={seed}", f"--data.ipc={ipc}"]
    argv += [f"--data.sampler={sampler_path(sampler)}", *(f"--data.sampler.{p}" for p in parameters)]
    return float(run_experiment(argv).metrics["val_top1"])


def table(results: list[dict[str, Any]]) -> str:
    """Mean accuracies in percent, with their number of seeds, as a Markdown table.

    Args:
        results: lines of the file.
    """
    frame = pd.DataFrame(results)
    frame["where"] = frame["config"].str.replace(".yaml", "") + ", ipc " + frame["ipc"].astype(str)
    found = frame.groupby(["setting", "where"])["top1"].agg(["mean", "size"])
    found["cell"] = (100 * found["mean"]).round(1).astype(str) + " (" + found["size"].astype(str) + ")"
    cells = (
        found["cell"].unstack("where").reindex([name for name in TRIED if name in frame["setting"].values])
    )
    rows = [["setting", *cells.columns], ["---", *("--:" for _ in cells.columns)]]
    rows += [
        [f"`{name}`", *row] for name, row in zip(cells.index, cells.fillna("").values.tolist(), strict=True)
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def sampler_path(name: str) -> str:
    """The path of a sampler's class, which takes parameters behind it."""
    kind = sampler_kind(name)
    return f"{kind.__module__}.{kind.__qualname__}"


if __name__ == "__main__":
    main()
