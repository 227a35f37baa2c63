"""Fill the tables of docs/performance.md from the benchmarks' records: no figure is typed.

python -m scripts.write_performance_page

A table stands between ``<!-- NAME -->`` and ``<!-- end -->`` and shows docs/results/performance/NAME.json,
written by ``python -m benchmarks.BENCHMARK --json docs/results/performance/NAME.json``; that of ``speed``
shows every ratio that has a bar. A test compares.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "performance.md"
RECORDS = DOCS / "results" / "performance"
PATHS = {
    "student_training_conv3": "training, ConvNet-3, 32 px",
    "student_training_resnet18_modified": "training, ResNet-18 with the CIFAR stem, 32 px",
    "student_training_resnet18_224": "training, ResNet-18, 224 px",
    "evaluation_rate": "evaluation, 32 px",
    "clip_encoding": "CLIP embeddings",
    "selection_scale": "selection from 1.28 million images",
    "greedy_stage": "greedy samplers, a class of 5,000",
    "pool_memory": "memory of an index of ImageNet-1K's size",
    "startup": "start",
}
"""What each record with bars is about, in the order of the summary."""

SUMMARY = "speed"
TABLE = re.compile(r"<!-- (?P<name>\w+) -->\n.*?<!-- end -->", re.DOTALL)


def page() -> str:
    """The whole page, every table as its record says."""
    return TABLE.sub(
        lambda found: summary() if found["name"] == SUMMARY else tables(found["name"]), PAGE.read_text()
    )


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


def summary() -> str:
    """Every ratio that has a bar."""
    lines = ["| path | ratio (larger is better) | measured | bar |", "|---|---|--:|--:|"]
    for name, path in PATHS.items():
        record = json.loads((RECORDS / f"{name}.json").read_text())
        lines += [
            f"| {path} | {ratio['name']} | {ratio['value']:.2f} | {ratio['bar']:.2f} |"
            for ratio in record["ratios"]
            if ratio["bar"] is not None
        ]
    return "\n".join([f"<!-- {SUMMARY} -->", *lines, "<!-- end -->"])


def _source(record: dict[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    versions = ", ".join(f"{library} {version}" for library, version in record["versions"].items())
    command = f"`python -m benchmarks.{record['benchmark']}`"
    return f"{command} ({settings}) on {record['hardware']}; Python {record['python']}, {versions}."


if __name__ == "__main__":
    PAGE.write_text(page())
