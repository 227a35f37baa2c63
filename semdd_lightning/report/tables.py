"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from semdd_lightning.names import shown_message
from semdd_lightning.report.byte_size import readable_size

STATISTICS = {
    "zero_shot_accuracy": ("zero-shot accuracy", "share of images that CLIP puts into their class"),
    "mean_relevance": ("relevance", "mean cosine to the class prompt"),
    "mean_margin": ("margin", "mean relevance minus the best other class"),
    "mean_pairwise_distance": ("pairwise distance", "mean 1 - cosine within a class: variety"),
    "coverage": ("coverage", "mean cosine of a pool image to its nearest chosen one"),
}

KINDS = {"hard": "hard", "online": "soft, online", "static": "soft, static", "stored": "soft, stored"}
SHOWN = 4  # changes of a protocol in a table


class FoldingTable(Table):
    """A table that folds what a narrow terminal has no room for: left to itself rich would cut it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for column in self.columns:
            column.overflow = "fold"
        return super().__rich_console__(console, options)


def print_run_table(result: Mapping[str, Any], next_commands: Sequence[str]) -> None:
    """Print the result of a run, what the selection bought, and what to try next."""
    console = Console()
    title = f"semdd {result['command']}: {' + '.join(result['configs'])}"
    console.print(table_of_rows(title, _run_rows(result)))
    if result["selection"]:
        console.print(statistics_table(result["selection"]))
    print_next_commands(console, next_commands)


def print_selection_table(
    title: str,
    rows: Mapping[str, str],
    report: Mapping[str, Mapping[str, float | None]],
    next_commands: Sequence[str],
) -> None:
    """Print the outcome of ``semdd select``."""
    console = Console()
    console.print(table_of_rows(title, rows))
    console.print(statistics_table(report))
    print_next_commands(console, next_commands)


def plain(text: object, style: str = "") -> Text:
    """A text that may hold names from outside, as it stands: no markup, no emoji codes, nothing that acts.

    Args:
        text: what to show.
        style: rich's style of all of it.
    """
    return Text(shown_message(text), style=style)


def table_of_rows(title: str, rows: Mapping[str, str | Text]) -> FoldingTable:
    """A table of two columns, what is known and its value, without a header.

    Args:
        title: above the table.
        rows: label and value of every row, plain or with a style of its own.
    """
    table = FoldingTable(title=plain(title, "table.title"), show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for label, value in rows.items():
        table.add_row(plain(label), value if isinstance(value, Text) else plain(value))
    return table


def print_plain(console: Console, text: str) -> None:
    """Print lines that may hold names from outside, not wrapped, so that they can be copied.

    Args:
        console: the terminal.
        text: the lines.
    """
    console.print(plain(text), soft_wrap=True)


def print_next_commands(console: Console, commands: Sequence[str]) -> None:
    """Print what one would do next, each command in one line so that it can be copied.

    Args:
        console: the terminal.
        commands: what `names.command` gave; none prints nothing.
    """
    if commands:
        console.print("Next:")
    for command in commands:
        print_plain(console, f"  {command}")


def statistics_table(report: Mapping[str, Mapping[str, float | None]]) -> FoldingTable:
    """Statistics of pool, candidates, selection and a random subset of the same size."""
    table = FoldingTable(title="What the selection bought")
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


def encoded_words(count: int) -> str:
    """How many images CLIP looked at in this command.

    Args:
        count: of them.
    """
    return f"{count} images now, any others came from the cache"


def changes_in_words(changes: Sequence[Mapping[str, Any]]) -> str:
    """What was changed of a protocol, in one line; a result holds all of it.

    Args:
        changes: ``option``, the ``protocol``'s value and the one ``used``, for each.

    Examples:
        >>> changes_in_words([{"option": "data.passes", "protocol": 300, "used": 60}])
        'data.passes 60, not 300'
    """
    parts = [
        f"{change['option']} {_short(change['used'])}, not {_short(change['protocol'])}"
        for change in changes[:SHOWN]
    ]
    more = [f"{len(changes) - SHOWN} more, see result.json"] if len(changes) > SHOWN else []
    return "; ".join([*parts, *more])


def _short(value: object) -> str:
    """A value of an option on a line: of classes with arguments, only their names."""
    if value is None:
        return "none"
    if isinstance(value, Mapping) and "class_path" in value:
        return str(value["class_path"]).rpartition(".")[2]
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return str(value)


def _audit(audit: Mapping[str, Any]) -> str:
    parts = [
        f"{count} of its folders {what}"
        for what, count in (
            ("hold another class", audit["moved_folders"]),
            ("are suspect", audit["suspect_folders"]),
        )
        if count
    ]
    parts += [] if audit["prior_knows_classes"] else ["CLIP does not tell them apart"]
    return f"{', '.join(parts)}; `semdd audit` shows them"


def _run_rows(result: Mapping[str, Any]) -> dict[str, str]:
    named = {
        "sampler": "sampler",
        "prior": "prior",
        "images per class": "ipc",
        "student": "student",
        "passes": "passes",
        "protocol": "protocol",
    }
    rows = {label: str(result[key]) for label, key in named.items() if result.get(key) is not None}
    if result.get("labels"):
        rows["labels"] = _labels(result["labels"])
    if result.get("cut_short"):
        rows["no full run"] = "; ".join(result["cut_short"])
    rows |= dict(_metric(name, value, result) for name, value in sorted(result["metrics"].items()))
    if result.get("best"):
        rows["best test top-1"] = _best(result["best"])
    if result.get("quirks"):
        rows["reference habits"] = ", ".join(result["quirks"])
    if result.get("protocol_changes"):
        rows["unlike the protocol"] = changes_in_words(result["protocol_changes"])
    if result.get("audit") and result["audit"]["verdict"] != "pass":
        rows["classes of the pool"] = _audit(result["audit"])
    if result["encoded"] is not None:
        rows["encoded by CLIP"] = encoded_words(result["encoded"])
    if result["seconds"]:
        times = (f"{stage} {seconds:.1f}" for stage, seconds in result["seconds"].items())
        rows["seconds"] = ", ".join(times)
    return {**rows, "run directory": result["directory"]}


def _labels(labels: Mapping[str, Any]) -> str:
    """What the student learnt from, and what that takes on disk."""
    kind = KINDS[labels["kind"]]
    if labels["kind"] != "stored":
        return kind
    passes = "one an image" if labels["static"] else f"{labels['passes']:,} passes"
    return f"{kind}: {passes}, {labels['format']}, {readable_size(labels['bytes'])}"


def _metric(name: str, value: float, result: Mapping[str, Any]) -> tuple[str, str]:
    split, _, measure = name.partition("_")
    label = {"val": "validation", "test": "test", "train": "training"}.get(split, split)
    if measure == "loss":
        return f"{label} loss", f"{value:.4f}"
    key = "validation" if split == "val" else split
    count, when = result["evaluated"].get(key), result["measured"].get(key)
    words = [f"{value:.2%}", when, None if count is None else f"on {count:,} images"]
    return f"{label} {measure.replace('top', 'top-')}", " ".join(word for word in words if word)


def _best(best: Mapping[str, float]) -> str:
    count, passed = int(best["evaluations"]), int(best["after_pass"])
    highest = f"{best['top1']:.2%} after pass {passed}, the highest of {count} tests"
    return f"{highest}: a reference implementation's habit, no result"
