"""Fill the tables of docs/method.md, and the README's list of samplers, from the registries.

python scripts/write_method_page.py

What is filled stands between ``<!-- NAME -->`` and ``<!-- end -->``. A test compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from semdd_lightning.selection import SAMPLERS, SCORES, FilteringSampler, QualityRule, Sampler

README = Path(__file__).parents[1] / "README.md"
PAGE = README.parent / "docs" / "method.md"


def page() -> str:
    """The whole page, its tables as the registries say."""
    return filled(filled(PAGE.read_text(), "scores", score_table), "samplers", sampler_table)


def readme() -> str:
    """The whole README, its list of samplers as the registry says."""
    return filled(README.read_text(), "samplers", sampler_list)


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
    """Every sampler: what it chooses, its parameters and defaults, what it needs.

    Parameters of quality and of the filter, where they have the usual defaults, are named once below.
    """
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


def sampler_list() -> list[str]:
    """The README's item about samplers."""
    names = ", ".join(f"`{name}`" for name in SAMPLERS)
    return [
        f"- **Samplers**: {names}",
        "  ([docs/method.md](docs/method.md)), or [your own](docs/extending.md). Same cached embeddings, same "
        "answer: on any machine, any number of ranks.",
    ]


def _parameters(kind: type[Sampler]) -> str:
    """Own parameters and those with other defaults; shared ones by the group's name."""
    known, words = _defaults(kind), []
    for base, word in ((QualityRule, "quality"), (FilteringSampler, "filter")):
        if issubclass(kind, base):
            words.append(f"of {word}")
    shared = _defaults(FilteringSampler)
    inherited = shared if issubclass(kind, FilteringSampler) else _defaults(QualityRule)
    usual = inherited if issubclass(kind, QualityRule) else {}
    own = {name: value for name, value in known.items() if name not in usual or usual[name] != value}
    return "; ".join([*words, *([_listed(own)] if own else [])]) or "-"


def _defaults(kind: type[Any]) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind)}


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` = {'none' if value is None else value}" for name, value in values.items())


def _needs(needs: frozenset[str]) -> str:
    return ", ".join(sorted(need.replace("_", " ") for need in needs)) or "-"


if __name__ == "__main__":
    PAGE.write_text(page())
    README.write_text(readme())
