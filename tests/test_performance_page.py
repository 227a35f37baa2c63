"""docs/performance.md shows what the benchmarks wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.measuring import Ratio, Result
from scripts import write_performance_page as script


def test_the_page_is_that_of_the_records() -> None:
    assert script.PAGE.read_text() == script.page(), (
        "docs/performance.md is not what the records say; run `python -m scripts.write_performance_page`"
    )


def test_the_summary_shows_every_ratio_that_has_a_bar() -> None:
    records = {path.stem: json.loads(path.read_text()) for path in script.RECORDS.glob("*.json")}
    barred = {name for name, record in records.items() if any(ratio["bar"] for ratio in record["ratios"])}
    assert set(script.PATHS) == barred


def test_every_record_is_shown() -> None:
    shown = {found["name"] for found in script.TABLE.finditer(script.PAGE.read_text())}
    assert shown == {script.SUMMARY, *(path.stem for path in script.RECORDS.glob("*.json"))}


def test_a_table_holds_ratios_figures_and_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratios = [Ratio("share of the limit", 0.934, 0.92), Ratio("of a peer", 2.5)]
    result = Result("example", {"images": 100}, ratios, {"ours": [2.0]}, {"peak, MiB": 1234.5})
    result.write(tmp_path / "example.json")
    monkeypatch.setattr(script, "RECORDS", tmp_path)
    lines = script.tables("example").splitlines()
    assert lines[0] == "<!-- example -->"
    assert "| share of the limit | 0.93 | 0.92 |" in lines
    assert "| of a peer | 2.50 |  |" in lines
    assert "- peak, MiB: 1,234.5" in lines
    assert lines[-2].startswith("`python -m benchmarks.example` (images 100) on ")
