"""The table of `semdd pool inspect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console

from semdd_lightning.names import shown
from semdd_lightning.pools.inspection import PoolInspection
from semdd_lightning.report.byte_size import readable_size
from semdd_lightning.report.tables import print_next_commands, print_plain, table_of_rows

_SHOWN = 5  # examples in a cell


def print_pool_table(found: PoolInspection, next_commands: Sequence[str], snippet: str) -> None:
    """Print what a pool holds, what to do next, and how a config names the pool.

    Args:
        found: What was found.
        next_commands: Commands to go on with.
        snippet: The part of a config that names the pool.
    """
    console = Console()
    console.print(table_of_rows(f"semdd pool inspect: {shown(found.path)}", pool_rows(found)))
    print_next_commands(console, next_commands)
    console.print("In a config:")
    print_plain(console, snippet)


def pool_rows(found: PoolInspection) -> dict[str, str]:
    """Label and value of every row of the table.

    Args:
        found: What was found.
    """
    counts = found.images_per_class
    rows = {
        "layout": f"{found.layout}: {found.evidence}",
        "begins in": found.begins_in if found.begins_in != found.path else "",
        "read by": found.reader,
        "classes": f"{len(counts):,}: {_some(_class_labels(found))}",
        "usable images": f"{sum(counts):,}",
        "images a class": f"{min(counts):,} at least, median {np.median(counts):,g}, {max(counts):,} at most",
        "fewer than the median": _some(
            [f"{shown(name)}: {count}" for name, count in found.short_classes.items()]
        ),
        "image sizes": _counted(found.image_sizes),
        "formats": _counted(found.formats),
        "bytes": readable_size(found.bytes),
        "unreadable": _examples(found.unreadable, ": "),
        "exact duplicates": _examples(found.duplicates, " of "),
        "in several classes": f"{found.in_several_classes:,}" if found.in_several_classes else "none",
        "nearly constant": _examples(dict.fromkeys(found.near_constant, ""), ""),
    }
    return {label: value for label, value in rows.items() if value}


def _class_labels(found: PoolInspection) -> list[str]:
    pairs = zip(found.class_names, found.class_folders, strict=True)
    return [shown(name if name == folder else f"{name} ({folder})") for name, folder in pairs]


def _some(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more


def _counted(counts: Mapping[str, int]) -> str:
    return _some([f"{name or 'no ending'}: {count:,}" for name, count in counts.items()])


def _examples(reasons: Mapping[str, str], between: str) -> str:
    if not reasons:
        return "none"
    lines = [shown(f"{path}{between}{reason}") for path, reason in list(reasons.items())[:_SHOWN]]
    more = [f"and {len(reasons) - _SHOWN:,} more"] if len(reasons) > _SHOWN else []
    return "\n".join([f"{len(reasons):,}", *lines, *more])
