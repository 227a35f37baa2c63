"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

STATISTICS = {
    "zero_shot_accuracy": ("zero-shot accuracy", "share of images that CLIP puts into their class"),
    "mean_relevance": ("relevance", "mean cosine to the class prompt"),
    "mean_margin": ("margin", "mean relevance minus the best other class"),
    "mean_pairwise_distance": ("pairwise distance", "mean 1 - cosine within a class: variety"),
    "coverage": ("coverage", "mean cosine of a pool image to its nearest chosen one"),
}


def print_run_table(result: Mapping[str, Any], next_commands: Sequence[str]) -> None:
    """Print the result of a run, what the selection bought, and what to try next."""
    console = Console()
    table = Table(title=f"semdd {result['command']}: {' + '.join(result['configs'])}", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for label, key in (
        ("sampler", "sampler"),
        ("images per class", "ipc"),
        ("student", "student"),
        ("passes", "passes"),
        ("protocol", "protocol"),
    ):
        if result.get(key) is not None:
            table.add_row(label, str(result[key]))
    for name, value in sorted(result["metrics"].items()):
        table.add_row(*_metric(name, value, result["evaluated"]))
    if result.get("best"):
        table.add_row("best test top-1", _best(result["best"]))
    if result.get("quirks"):
        table.add_row("as the peer's code", ", ".join(result["quirks"]))
    if result["encoded"] is not None:
        table.add_row("encoded by CLIP", f"{result['encoded']} images now, the others came from the cache")
    if result["seconds"]:
        times = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result["seconds"].items())
        table.add_row("seconds", times)
    table.add_row("run directory", result["directory"])
    console.print(table)
    if result["selection"]:
        console.print(statistics_table(result["selection"]))
    _print_next(console, next_commands)


def print_selection_table(
    title: str,
    rows: Mapping[str, str],
    report: Mapping[str, Mapping[str, float | None]],
    next_commands: Sequence[str],
) -> None:
    """Print the outcome of ``semdd select``."""
    console = Console()
    table = Table(title=title, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for label, value in rows.items():
        table.add_row(label, value)
    console.print(table)
    console.print(statistics_table(report))
    _print_next(console, next_commands)


def statistics_table(report: Mapping[str, Mapping[str, float | None]]) -> Table:
    """Statistics of pool, candidates, selection and a random subset of the same size."""
    table = Table(title="What the selection bought")
    table.add_column("")
    for subset in report:
        table.add_column(subset, justify="right")
    for key, (name, _) in STATISTICS.items():
        values = [report[subset].get(key) for subset in report]
        if any(value is not None for value in values):
            table.add_row(name, *("-" if value is None else f"{value:.4f}" for value in values))
    return table


def statistics_record(report: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """A selection report as plain numbers, None where there is none.

    Args:
        report: what `selection_report` returns.
    """
    return {
        str(row): {str(name): None if pd.isna(value) else float(value) for name, value in values.items()}
        for row, values in report.iterrows()
    }


def _metric(name: str, value: float, evaluated: Mapping[str, int]) -> tuple[str, str]:
    split, _, measure = name.partition("_")
    label = {"val": "validation", "test": "test", "train": "training"}.get(split, split)
    if measure == "loss":
        return f"{label} loss", f"{value:.4f}"
    count = evaluated.get("validation" if split == "val" else split)
    images = f" on {count:,} images" if count is not None else ""
    return f"{label} {measure.replace('top', 'top-')}", f"{value:.2%} after the last pass{images}"


def _best(best: Mapping[str, float]) -> str:
    count, passed = int(best["evaluations"]), int(best["after_pass"])
    return f"{best['top1']:.2%} after pass {passed}, the highest of {count} tests: a peer's habit, no result"


def _print_next(console: Console, commands: Sequence[str]) -> None:
    if commands:
        console.print("Next:")
    for command in commands:
        console.print(f"  {command}", highlight=False, soft_wrap=True)
