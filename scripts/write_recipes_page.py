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
COLUMNS = {
    "config": "config",
    "ipc": "images per class",
    "images": "images",
    "top1": "top-1 %",
    "whose": "whose",
    "source": "source",
    "seconds": "seconds",
    "memory": "memory",
    "hardware": "hardware",
}
"""Column by key, in the order of the table."""
MEASURED = ("top1", "seconds", "memory")


def page() -> str:
    """The whole page, its table as the record says."""
    return filled(PAGE.read_text(), "recipes", lambda: recipe_table(recipes()))


def recipes() -> list[dict[str, Any]]:
    """What is known, in the order of the record."""
    found: list[dict[str, Any]] = yaml.safe_load(RECORD.read_text())
    return found


def recipe_table(rows: list[dict[str, Any]]) -> list[str]:
    """A row for each entry; what was not measured says so."""
    lines = [f"| {' | '.join(COLUMNS.values())} |", "|" + "---|" * len(COLUMNS)]
    return [*lines, *(f"| {' | '.join(_cell(row, key) for key in COLUMNS)} |" for row in rows)]


def _cell(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return "not measured" if key in MEASURED else ""
    if key == "config":
        return " + ".join(f"`{config}`" for config in value.split(" + "))
    return f"[{Path(value).stem}]({value})" if str(value).endswith(".md") else str(value)


if __name__ == "__main__":
    PAGE.write_text(page())
