"""Ratios against floors: a second try, and names that have to agree."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import check
from benchmarks.measuring import Ratio, Result


def runs(*values: float) -> Callable[[], Result]:
    left = list(values)
    return lambda: Result("example", {}, [Ratio("share", left.pop(0))])


@pytest.mark.parametrize(
    ("values", "measured"),
    [([0.9], 0.9), ([0.1, 0.9], 0.9), ([0.4, 0.1], 0.4)],
    ids=["held", "second", "low"],
)
def test_a_ratio_below_its_floor_gets_one_more_try(values: list[float], measured: float) -> None:
    [(ratio, floor)] = check.held({"share": 0.5}, runs(*values))
    assert (ratio.value, floor) == (measured, 0.5)


def test_a_ratio_without_a_floor_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected the ratios \['other'\] of example, found \['share'\]"):
        check.held({"other": 0.5}, runs(0.9))


@pytest.mark.parametrize(("value", "status"), [(0.9, 0), (0.1, 1)])
def test_the_command_fails_below_a_floor(
    value: float,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    floors = tmp_path / "floors.json"
    floors.write_text(json.dumps({"measuring": {"share": 0.5}}))
    monkeypatch.setattr(check, "FLOORS", floors)
    monkeypatch.setattr(
        importlib.import_module("benchmarks.measuring"), "quick", runs(value, value), raising=False
    )
    assert check.main([]) == status
    assert ("BELOW" in capsys.readouterr().out) is (status == 1)


def test_every_floor_belongs_to_a_benchmark_with_a_quick_form() -> None:
    for name, floors in json.loads(check.FLOORS.read_text()).items():
        assert callable(importlib.import_module(f"benchmarks.{name}").quick)
        assert all(floor > 0 for floor in floors.values())
