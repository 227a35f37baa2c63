"""What commands print when they are done: the tables of a run, a selection, a pool and soft labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console

from semdd_lightning.names import shown
from semdd_lightning.pools.inspection import PoolInspection
from semdd_lightning.report.tables import (
    KINDS,
    FoldingTable,
    plain,
    print_next_commands,
    print_plain,
    readable_size,
    statistics_table,
    table_of_rows,
)

CHANGES = 4  # of a protocol in a table
_EXAMPLES = 5  # in a cell


def print_run_table(result: Mapping[str, Any], next_commands: Sequence[str]) -> None:
    """Print the result of a run, what the selection bought, and what to try next."""
    title = f"semdd {result['command']}: {' + '.join(result['configs'])}"
    print_selection_table(title, _run_rows(result), result["selection"], next_commands)


def print_selection_table(
    title: str,
    rows: Mapping[str, str],
    report: Mapping[str, Mapping[str, float | None]],
    next_commands: Sequence[str],
) -> None:
    """Print the outcome of ``semdd select``."""
    console = Console()
    console.print(table_of_rows(title, rows))
    if report:
        console.print(statistics_table(report))
    print_next_commands(console, next_commands)


def print_pool_table(found: PoolInspection, next_commands: Sequence[str], snippet: str) -> None:
    """Print what a pool holds, what to do next, and how a config names the pool.

    Args:
        found: What was found.
        next_commands: Commands to go on with.
        snippet: The part of a config that names the pool.
    """
    print_selection_table(f"semdd pool inspect: {shown(found.path)}", pool_rows(found), {}, next_commands)
    console = Console()
    console.print("In a config:")
    print_plain(console, snippet)


def print_label_table(
    title: str,
    rows: Mapping[str, str],
    costs: Sequence[tuple[str, int]] = (),
    next_commands: Sequence[str] = (),
) -> None:
    """Print what labels are, what other settings would cost, and what to do next.

    Args:
        title: above the table.
        rows: what is known, by name.
        costs: settings and the bytes of all labels with them.
        next_commands: what one would do next.
    """
    console = Console()
    console.print(table_of_rows(title, rows))
    if costs:
        others = FoldingTable(title="What labels would cost")
        others.add_column("")
        others.add_column("bytes", justify="right")
        others.add_column("", justify="right")
        for setting, count in costs:
            others.add_row(plain(setting), f"{count:,}", readable_size(count))
        console.print(others)
    print_next_commands(console, next_commands)


def pool_rows(found: PoolInspection) -> dict[str, str]:
    """Label and value of every row of the table of a pool."""
    counts = found.images_per_class
    pairs = zip(found.class_names, found.class_folders, strict=True)
    classes = [shown(name if name == folder else f"{name} ({folder})") for name, folder in pairs]
    short = [f"{shown(name)}: {count}" for name, count in found.short_classes.items()]
    rows = {
        "layout": f"{found.layout}: {found.evidence}",
        "begins in": found.begins_in if found.begins_in != found.path else "",
        "read by": found.reader,
        "classes": f"{len(counts):,}: {_some(classes)}",
        "usable images": f"{sum(counts):,}",
        "images per class": f"{min(counts):,} at least, median {np.median(counts):,g}, "
        f"{max(counts):,} at most",
        "fewer than the median": _some(short),
        "image sizes": _counted(found.image_sizes),
        "formats": _counted(found.formats),
        "bytes": readable_size(found.bytes),
        "unreadable": _examples(found.unreadable, ": "),
        "exact duplicates": _examples(found.duplicates, " of "),
        "in several classes": f"{found.in_several_classes:,}" if found.in_several_classes else "none",
        "nearly constant": _examples(dict.fromkeys(found.near_constant, ""), ""),
    }
    return {label: value for label, value in rows.items() if value}


def encoded_words(count: int) -> str:
    """How many images CLIP looked at in this command."""
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
        for change in changes[:CHANGES]
    ]
    if len(changes) > CHANGES:
        parts.append(f"{len(changes) - CHANGES} more, see result.json")
    return "; ".join(parts)


def _run_rows(result: Mapping[str, Any]) -> dict[str, str]:
    named = ("sampler", "prior", "ipc", "student", "passes", "protocol")
    labels = {"ipc": "images per class"}
    rows = {labels.get(key, key): str(result[key]) for key in named if result.get(key) is not None}
    if result.get("labels"):
        rows["labels"] = _labels(result["labels"])
    if result.get("cut_short"):
        rows["no full run"] = "; ".join(result["cut_short"])
    rows |= dict(_metric(name, value, result) for name, value in sorted(result["metrics"].items()))
    if best := result.get("best"):
        rows["best test top-1"] = (
            f"{best['top1']:.2%} after pass {int(best['after_pass'])}, the highest of "
            f"{int(best['evaluations'])} tests: a reference implementation's habit, no result"
        )
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
    passes = "one per image" if labels["static"] else f"{labels['passes']:,} passes"
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


def _audit(audit: Mapping[str, Any]) -> str:
    counts = {"hold another class": audit["moved_folders"], "are suspect": audit["suspect_folders"]}
    parts = [f"{count} of its folders {what}" for what, count in counts.items() if count]
    parts += [] if audit["prior_knows_classes"] else ["CLIP does not tell them apart"]
    return f"{', '.join(parts)}; `semdd audit` shows them"


def _short(value: object) -> str:
    """A value of an option on a line: of classes with arguments, only their names."""
    if value is None:
        return "none"
    if isinstance(value, Mapping) and "class_path" in value:
        return str(value["class_path"]).rpartition(".")[2]
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return str(value)


def _some(values: Sequence[str]) -> str:
    more = f" and {len(values) - _EXAMPLES:,} more" if len(values) > _EXAMPLES else ""
    return ", ".join(values[:_EXAMPLES]) + more


def _counted(counts: Mapping[str, int]) -> str:
    return _some([f"{name or 'no ending'}: {count:,}" for name, count in counts.items()])


def _examples(reasons: Mapping[str, str], between: str) -> str:
    if not reasons:
        return "none"
    lines = [shown(f"{path}{between}{reason}") for path, reason in list(reasons.items())[:_EXAMPLES]]
    more = [f"and {len(reasons) - _EXAMPLES:,} more"] if len(reasons) > _EXAMPLES else []
    return "\n".join([f"{len(reasons):,}", *lines, *more])
