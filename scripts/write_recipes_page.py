"""Fill the table of docs/recipes.md from docs/results/recipes.yaml.

python -m scripts.write_recipes_page

A test compares, and asks for a row of every packaged experiment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scripts.write_method_page import filled

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"
RECORD = PAGE.parent / "results" / "recipes.yaml"
KEYS = ("config", "ipc", "images", "top1", "whose", "source", "seconds", "memory", "hardware")
"""What a row of the record may hold."""
HEAD = ("config", "images per class", "images", "top-1 %", "whose", "seconds", "memory", "on")
UNKNOWN = "not measured"


def page() -> str:
    """The whole page, its table as the record says."""
    return filled(PAGE.read_text(), "recipes", lambda: recipe_table(recipes()))


def recipes() -> list[dict[str, Any]]:
    """What is known, in the order of the record."""
    found: list[dict[str, Any]] = yaml.safe_load(RECORD.read_text())
    return found


def recipe_table(rows: list[dict[str, Any]]) -> list[str]:
    """A row for each entry; what was not measured says so."""
    lines = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    return [*lines, *(f"| {' | '.join(cells(row))} |" for row in rows)]


def cells(row: dict[str, Any]) -> list[str]:
    """One row of the table."""
    source = str(row.get("source", ""))
    told = f"[{source}]({source})" if source.endswith(".md") else source
    return [
        " + ".join(f"`{config}`" for config in row["config"].split(" + ")),
        str(row.get("ipc", "")),
        row.get("images", ""),
        row.get("top1", UNKNOWN),
        f"{row['whose']}: {told}" if told else "",
        row.get("seconds", UNKNOWN),
        row.get("memory", UNKNOWN),
        row.get("hardware", ""),
    ]


if __name__ == "__main__":
    PAGE.write_text(page())
