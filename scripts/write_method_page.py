"""Fill the tables of docs/method.md from the registries.

python -m scripts.write_method_page

What is filled stands between ``<!-- NAME -->`` and ``<!-- end -->``. A test compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from semdd_lightning.selection import SAMPLERS, SCORES, FilteringSampler, QualityRule, Sampler

PAGE = Path(__file__).parents[1] / "docs" / "method.md"


def page() -> str:
    """The whole page, its tables as the registries say."""
    return filled(filled(PAGE.read_text(), "scores", score_table), "samplers", sampler_table)


def filled(text: str, name: str, lines: Callable[[], Sequence[str]]) -> str:
    """A text with new lines between the markers of a name."""
    between = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.DOTALL)
    new = "\n".join([f"<!-- {name} -->", *lines(), "<!-- end -->"])
    return between.sub(lambda _: new, text)


def score_table() -> list[str]:
    """Every score: what a large value tells, which values there are, what it needs."""
    rows = [
        f"| `{name}` | {kind.meaning} | {kind.value_range} | {_needs(kind.needs)} |"
        for name, kind in SCORES.items()
    ]
    return ["| score | a large value tells that | values | needs |", "|---|---|---|---|", *rows]


def sampler_table() -> list[str]:
    """Every sampler: what it chooses, its parameters, what it needs; shared parameters stand below, once."""
    rows = [
        f"| `{name}` | {kind.meaning} | {_parameters(kind)} | {_needs(kind.needs)} |"
        for name, kind in SAMPLERS.items()
    ]
    rule, filtering = _defaults(QualityRule), _defaults(FilteringSampler)
    return [
        "| sampler | chooses | parameters | needs |",
        "|---|---|---|---|",
        *rows,
        "",
        f"- of quality: {_listed(rule)}",
        f"- of the filter: {_listed({name: filtering[name] for name in filtering if name not in rule})}",
    ]


def _parameters(kind: type[Sampler]) -> str:
    """Groups that it shares, its own parameters, and those of a group that have another default in it."""
    groups = {"quality": QualityRule, "the filter": FilteringSampler}
    shared = {word: base for word, base in groups.items() if issubclass(kind, base)}
    usual = {name: value for base in shared.values() for name, value in _defaults(base).items()}
    unset = object()
    own = {name: value for name, value in _defaults(kind).items() if usual.get(name, unset) != value}
    return "; ".join([*(f"of {word}" for word in shared), *([_listed(own)] if own else [])]) or "-"


def _defaults(kind: type[Any]) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind)}


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` = {'none' if value is None else value}" for name, value in values.items())


def _needs(needs: frozenset[str]) -> str:
    return ", ".join(sorted(need.replace("_", " ") for need in needs)) or "-"


if __name__ == "__main__":
    PAGE.write_text(page())
