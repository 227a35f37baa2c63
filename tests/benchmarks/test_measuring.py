"""Contestants in turns, ratios by pairs, and a record that names its machine."""

import json
from pathlib import Path

import pytest

from benchmarks.measuring import Ratio, Result, paired, time_in_turns


def test_every_contestant_runs_once_a_round_and_the_order_rotates() -> None:
    calls: list[str] = []
    seconds = time_in_turns({name: lambda name=name: calls.append(name) for name in "abc"}, rounds=3)  # type: ignore[misc]
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}
    assert sorted(calls) == sorted("abc" * 4)  # and a round before, which does not count
    assert [calls[3], calls[6], calls[9]] == ["a", "b", "c"]


def test_a_ratio_is_taken_within_each_round() -> None:
    assert paired([2.0, 8.0, 3.0], [1.0, 2.0, 3.0]) == 2.0


def test_the_record_holds_ratios_times_and_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = Result(
        "example", {"images": 3}, [Ratio("ours of the limit", 0.5, 0.9)], {"ours": [2.0]}, {"peak MiB": 7.0}
    )
    result.show()
    assert "no" in capsys.readouterr().out.split("ours of the limit")[1]
    result.write(tmp_path / "example.json")
    record = json.loads((tmp_path / "example.json").read_text())
    assert record["ratios"] == [{"name": "ours of the limit", "value": 0.5, "bar": 0.9}]
    assert record["hardware"]
    assert record["versions"]["torch"]
