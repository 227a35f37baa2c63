"""Writes the tables of docs/results/selection.md from finished comparisons.

    python -m benchmarks.evidence.tables --record d4m_tiny40-hard=COMPARISON[,FURTHER]
    python -m benchmarks.evidence.tables

The first form keeps what `semdd compare` measured as docs/results/selection/NAME.json, with the samplers of
further comparisons of the same pool, student and seeds; the second writes the tables of all records between
the marks of the page.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import hardware
from semdd_lightning.evaluation import paired_difference, read_cells

PAGE = Path("docs/results/selection.md")
RECORDS = Path("docs/results/selection")
START, END = "<!-- tables -->", "<!-- end -->"
BASELINES = ("random", "two_stage_classic", "relevance")


def main() -> None:
    """Keep records, or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", nargs="+", default=[], metavar="NAME=DIR", help="comparisons to keep")
    for given in parser.parse_args().record:
        name, _, directories = given.partition("=")
        RECORDS.mkdir(parents=True, exist_ok=True)
        kept = record([Path(directory) for directory in directories.split(",")])
        (RECORDS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    records = {file.stem: json.loads(file.read_text()) for file in sorted(RECORDS.glob("*.json"))}
    before, _, rest = PAGE.read_text().partition(START)
    tables = "\n".join(table(name, content) for name, content in records.items())
    PAGE.write_text(f"{before}{START}\n\n{tables}\n{END}{rest.partition(END)[2]}")


def record(directories: list[Path]) -> dict[str, Any]:
    """What comparisons measured: accuracies by seed, what each sampler chose, seconds, machine and commands.

    Args:
        directories: of `semdd compare`, with one config and the same seeds.
    """
    samplers: dict[str, Any] = {}
    labels, commands = set(), []
    for directory in directories:
        versions = json.loads((directory / "versions.json").read_text())
        commands.append(["semdd", *versions["command"][1:]])
        for cell in read_cells(directory):
            entry = samplers.setdefault(str(cell.axes["sampler"]), {"top1": {}, "statistics": cell.selection})
            entry["top1"][str(cell.axes["training_seed"])] = cell.top1
            entry["seconds"] = cell.seconds
            labels.add(cell.labels)
    (kind,) = labels  # hard and soft labels never share a table
    return {"labels": kind, "commands": commands, "machine": hardware(), "samplers": samplers}


def table(name: str, content: dict[str, Any]) -> str:
    """One comparison as a Markdown table, the best first; samplers that were not run with all seeds stay out.

    Args:
        name: of the record.
        content: the record.
    """
    samplers = content["samplers"]
    seeds = sorted(samplers["random"]["top1"])
    top1 = {
        sampler: np.array([100 * entry["top1"][seed] for seed in seeds])
        for sampler, entry in samplers.items()
        if entry["top1"].keys() >= set(seeds)
    }
    baselines = [baseline for baseline in BASELINES if baseline in top1]
    head = ["sampler", "top-1 %", *(f"over {baseline}" for baseline in baselines), "zero-shot", "coverage"]
    lines = [
        f"### {name}",
        "",
        f"Labels: {content['labels']}; n = {len(seeds)} seeds.",
        "",
        "| " + " | ".join(head) + " |",
        "|---|" + "--:|" * (len(head) - 1),
    ]
    for sampler in sorted(top1, key=lambda each: -float(top1[each].mean())):
        values, chosen = top1[sampler], samplers[sampler]["statistics"]["selection"]
        row = [f"`{sampler}`", f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"]
        row += [difference(values, top1[baseline]) for baseline in baselines]
        row += [f"{chosen['zero_shot_accuracy']:.2f}", f"{chosen['coverage']:.3f}"]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join([*lines, ""])


def difference(values: np.ndarray[Any, Any], baseline: np.ndarray[Any, Any]) -> str:
    """Paired difference in points with its 95 % interval.

    Args:
        values: accuracies by seed, in percent.
        baseline: the baseline's for the same seeds.
    """
    if np.array_equal(values, baseline):
        return "-"
    found = paired_difference(values, baseline)
    interval = "" if found.half_width is None else f" ± {found.half_width:.2f}"
    return f"{found.mean:+.2f}{interval}"


if __name__ == "__main__":
    main()
