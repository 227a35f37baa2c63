"""Fill the tables of docs/performance.md from the benchmarks' records, so that no figure is typed.

python scripts/write_performance_page.py

A table stands between ``<!-- NAME -->`` and ``<!-- end -->`` and shows docs/results/performance/NAME.json,
written by ``python -m benchmarks.BENCHMARK --json docs/results/performance/NAME.json``. A test compares.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "performance.md"
RECORDS = DOCS / "results" / "performance"
TABLE = re.compile(r"<!-- (?P<name>\w+) -->\n.*?<!-- end -->", re.DOTALL)


def page() -> str:
    """The whole page, every table as its record says."""
    return TABLE.sub(lambda found: tables(found["name"]), PAGE.read_text())


def tables(name: str) -> str:
    """Ratios and other figures of one record; its times and rates mean little elsewhere and stay in it."""
    record = json.loads((RECORDS / f"{name}.json").read_text())
    shown = {name: value for name, value in record["figures"].items() if not name.endswith("/s")}
    figures = [f"- {figure}: {value:,.1f}" for figure, value in shown.items()]
    parts = [ratio_table(record["ratios"]), figures, [_source(record)]]
    body = "\n\n".join("\n".join(part) for part in parts if part)
    return f"<!-- {name} -->\n{body}\n<!-- end -->"


def ratio_table(ratios: list[dict[str, Any]]) -> list[str]:
    """Measured ratios beside their bars."""
    lines = ["| ratio (larger is better) | measured | bar |", "|---|--:|--:|"]
    for ratio in ratios:
        bar = "" if ratio["bar"] is None else f"{ratio['bar']:.2f}"
        lines.append(f"| {ratio['name']} | {ratio['value']:.2f} | {bar} |")
    return lines


def _source(record: dict[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    versions = ", ".join(f"{library} {version}" for library, version in record["versions"].items())
    command = f"`python -m benchmarks.{record['benchmark']}`"
    return f"{command} ({settings}) on {record['hardware']}; Python {record['python']}, {versions}."


if __name__ == "__main__":
    PAGE.write_text(page())
