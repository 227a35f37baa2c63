"""Ranges and choices of a search, and those that samplers declare."""

from __future__ import annotations

from dataclasses import fields

import pytest

from semdd_lightning.errors import ConfigError
from semdd_lightning.selection import SAMPLERS
from semdd_lightning.studies.space import SPACES, Dimension, dimension


@pytest.mark.parametrize("name", SPACES)
def test_every_declared_range_is_of_a_parameter_and_its_ends_are_taken(name: str) -> None:
    kind = SAMPLERS[name]
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    for parameter, given in SPACES[name].items():
        assert parameter in known
        for value in dimension(parameter, given).ends:
            kind(**{parameter: value})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 4], Dimension("x", low=1, high=4)),
        ([0.5, 4], Dimension("x", low=0.5, high=4)),
        ({"low": 1e-4, "high": 1.0, "log": True}, Dimension("x", low=1e-4, high=1.0, log=True)),
        ([16, 32, 64], Dimension("x", (16, 32, 64))),
        ({"choices": [16, 64]}, Dimension("x", (16, 64))),
        ([True, False], Dimension("x", (True, False))),
        (["auto", None], Dimension("x", ("auto", None))),
    ],
)
def test_ranges_and_choices(given: object, expected: Dimension) -> None:
    assert dimension("x", given) == expected


@pytest.mark.parametrize(
    "given",
    [
        *([4, 1], [1, 1], [1], [], "1..4", 3, None, [1, 1, 2], [{"a": 1}, 2], {"choices": "ab"}),
        *({"low": 0, "high": 1, "log": True}, {"low": 1}, {"low": 1, "high": 2, "step": 1}),
        *({"low": "1", "high": 2}, [1.0, float("inf")], {"low": 1, "high": 2, "log": 1}),
    ],
)
def test_what_is_neither_is_refused(given: object) -> None:
    with pytest.raises(ConfigError, match=r"Expected for data.batch_size two numbers, the lower first, or"):
        dimension("data.batch_size", given)
