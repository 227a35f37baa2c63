"""Fill the tables of docs/samplers.md, and the README's, from docs/results/selection: no figure is typed.

python -m scripts.write_samplers_page

What is filled stands between ``<!-- NAME -->`` and ``<!-- end -->``. A test compares.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.write_method_page import filled
from semdd_lightning.evaluation import paired_difference
from semdd_lightning.selection import SAMPLERS

README = Path(__file__).parents[1] / "README.md"
PAGE = README.parent / "docs" / "samplers.md"
RECORDS = README.parent / "docs" / "results" / "selection"
POOLS = {
    "d4m_tiny40": "generated (D4M), 50 images per class",
    "cifar10_400": "real, 400 images per class",
    "cifar10_noisy": "real, 40 of 100 images per class wrong or damaged",
    "digits": "the quickstart's digits",
}
"""What each pool is, in the order of the tables."""
STUDENTS = {
    "width64": "ConvNet-3, width 64, 100 passes",
    "width128": "ConvNet-3, width 128, 300 passes",
    "resnet18": "ResNet-18, 50 passes",
}
"""The student that was trained, by the word in a record's name; the first where there is none."""
SHOWN = ("random", "relevance", "two_stage", "learnable")
"""Samplers of the README's table."""


@dataclass(frozen=True)
class Measured:
    """Accuracies of one comparison.

    Attributes:
        pool: its name.
        labels: hard or soft.
        ipc: images per class.
        student: one of `STUDENTS`.
        seeds: how many.
        top1: by sampler, one number per seed, in percent.
    """

    pool: str
    labels: str
    ipc: int
    student: str
    seeds: int
    top1: dict[str, NDArray[np.float64]]

    @property
    def place(self) -> str:
        """What was measured, as the head of a column."""
        return f"{self.pool}, {self.labels}, {self.ipc}, {self.student}"

    def over(self, sampler: str, other: str) -> str:
        """Paired difference in points, with its 95 % interval."""
        found = paired_difference(self.top1[sampler], self.top1[other])
        return f"{found.mean:+.1f} ± {found.half_width or 0:.1f}"

    def level(self, sampler: str, other: str) -> bool:
        """Whether the interval of the difference of two samplers holds zero."""
        found = paired_difference(self.top1[sampler], self.top1[other])
        return abs(found.mean) <= (found.half_width or 0)


def page() -> str:
    """The whole page, its tables as the records say."""
    measured = comparisons()
    text = filled(PAGE.read_text(), "best", lambda: best_table(measured))
    return filled(text, "all", lambda: sampler_table(measured))


def readme() -> str:
    """The whole README, its result as the records say."""
    return filled(README.read_text(), "result", lambda: result_table(comparisons()))


def comparisons() -> list[Measured]:
    """Every comparison that a record holds, pool by pool, hard labels first, the most seeds first."""
    found = [_measured(path) for path in RECORDS.glob("*.json")]
    pools = list(POOLS)
    return sorted(
        found,
        key=lambda one: (
            pools.index(one.pool),
            one.labels,
            one.ipc,
            list(STUDENTS).index(one.student),
            -one.seeds,
        ),
    )


def best_table(measured: list[Measured]) -> list[str]:
    """A row for each comparison: the best sampler, those that cannot be told from it, and the gain."""
    lines = [
        "| pool | labels | per class | student | seeds | best | cannot be told from it | over `random` |",
        "|---|---|--:|---|--:|---|---|--:|",
    ]
    for one in measured:
        best, *others = sorted(one.top1, key=lambda name: -float(one.top1[name].mean()))
        level = ", ".join(f"`{name}`" for name in others if one.level(best, name)) or "none"
        lines.append(
            f"| {POOLS[one.pool]} | {one.labels} | {one.ipc} | {STUDENTS[one.student]} | {one.seeds} "
            f"| `{best}` | {level} | {one.over(best, 'random')} |"
        )
    return lines


def sampler_table(measured: list[Measured]) -> list[str]:
    """A row for each sampler that there is: its difference to random where it was measured."""
    wide: dict[str, Measured] = {}
    for one in sorted(measured, key=lambda one: -len(one.top1)):  # of two, the one with more samplers
        wide.setdefault(one.place, one)
    columns = [one for one in measured if wide[one.place] is one]
    lines = [
        f"| sampler | {' | '.join(one.place for one in columns)} |",
        "|---|" + "--:|" * len(columns),
    ]
    for name in SAMPLERS:
        cells = [one.over(name, "random") if name in one.top1 else "" for one in columns]
        told = cells if name != "random" else [f"{one.top1[name].mean():.1f} %" for one in columns]
        if any(told):
            lines.append(f"| `{name}` | {' | '.join(told)} |")
    unknown = ", ".join(f"`{name}`" for name in SAMPLERS if all(name not in one.top1 for one in measured))
    return [*lines, "", f"Not measured: {unknown}."]


def result_table(measured: list[Measured]) -> list[str]:
    """The README's: accuracies of a few samplers with 10 images per class."""
    lines = [
        f"| pool | labels | student | {' | '.join(f'`{name}`' for name in SHOWN)} |",
        "|---|---|---|" + "--:|" * len(SHOWN),
    ]
    rows: dict[str, str] = {}
    for one in measured:
        if one.ipc == 10 and one.pool != "digits":
            top1 = [one.top1[name] for name in SHOWN]
            cells = [f"{values.mean():.1f} ± {values.std(ddof=1):.1f}" for values in top1]
            head = [POOLS[one.pool], one.labels, STUDENTS[one.student]]
            rows.setdefault(one.place, f"| {' | '.join([*head, *cells])} |")
    return [*lines, *rows.values()]


def _measured(path: Path) -> Measured:
    """One record; samplers that did not run with all of its seeds stay out."""
    record = json.loads(path.read_text())
    pool, _, rest = path.stem.partition("-")
    seeds = sorted(record["samplers"]["random"]["top1"], key=int)
    top1 = {
        name: np.array([100 * entry["top1"][seed] for seed in seeds])
        for name, entry in record["samplers"].items()
        if entry["top1"].keys() >= set(seeds)
    }
    labels = "hard" if record["labels"] == "hard" else "soft"
    ipc = re.search(r"ipc(\d+)", rest)
    student = next((word for word in STUDENTS if word in rest), next(iter(STUDENTS)))
    return Measured(pool, labels, int(ipc[1]) if ipc else 10, student, len(seeds), top1)


if __name__ == "__main__":
    PAGE.write_text(page())
    README.write_text(readme())
