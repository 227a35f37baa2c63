"""The table of ``semdd compare``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from semdd_lightning.report.tables import KINDS, changes_in_words, plain, print_plain


def print_comparison(
    table: pd.DataFrame, baseline: str, directory: Path, measured: Mapping[str, Any] | None = None
) -> None:
    """Print mean, standard deviation and paired difference of each sampler.

    Args:
        table: what `comparison_table` returns.
        baseline: the sampler that differences are taken to.
        directory: where the runs lie.
        measured: ``protocol``, ``quirks`` and ``protocol_changes`` of the runs, where there is a protocol,
            and what ``cut_short`` each of them, where something did.
    """
    console = Console()
    labels = KINDS.get(str(table["labels"].iloc[0]), "unknown")
    when = "of runs that were cut short" if (measured or {}).get("cut_short") else "after the last pass"
    printed = Table(title=f"Test accuracy {when} ({labels} labels), mean ± standard deviation over seeds")
    printed.add_column("sampler", style="bold")
    for column in ("seeds", "top-1 %", "top-5 %", f"paired difference to {baseline}, 95 % interval"):
        printed.add_column(column, justify="right")
    for sampler, row in table.iterrows():
        printed.add_row(
            plain(sampler),
            str(int(row["n"])),
            _spread(row["top1_mean"], row["top1_std"]),
            "-" if math.isnan(row["top5_mean"]) else f"{100 * row['top5_mean']:.2f}",
            "baseline" if sampler == baseline else _signed(row["difference"], row["half_width"]),
        )
    console.print(printed)
    for label, text in _measured_by(measured or {}).items():
        print_plain(console, f"{label}: {text}")
    print_plain(console, f"Runs, cells.json and comparison.csv: {directory}")
    if int(table["n"].min()) < 5:
        console.print("Few seeds make wide intervals; five or more say more: --seeds 0 1 2 3 4")


def _measured_by(measured: Mapping[str, Any]) -> dict[str, str]:
    rows = {
        "No full runs": "; ".join(measured.get("cut_short") or []),
        "Protocol": measured.get("protocol") or "",
        "Habits of the reference implementation": ", ".join(measured.get("quirks") or []),
        "Unlike the protocol": changes_in_words(measured.get("protocol_changes") or []),
    }
    return {label: text for label, text in rows.items() if text}


def _spread(mean: float, deviation: float) -> str:
    return f"{100 * mean:.2f}" if math.isnan(deviation) else f"{100 * mean:.2f} ± {100 * deviation:.2f}"


def _signed(mean: float, half_width: float) -> str:
    if math.isnan(half_width):
        return f"{100 * mean:+.2f} (one seed: no interval)"
    return f"{100 * mean:+.2f} ± {100 * half_width:.2f}"
