"""The one command for a GPU, at tiny sizes on the CPU, lest a minute on a card go into a typing error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, selection_scale
from benchmarks.gpu import PARTS, Asked, Part, main, run_parts
from benchmarks.gpu_parts.skipping import Skipped
from benchmarks.measuring import Result


def test_every_part_runs_at_tiny_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers")
    monkeypatch.setattr(selection_scale, "in_a_process", lambda measured, *given: measured(*given))
    assert main(["--quick", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert set(record["parts"]) == set(PARTS)
    skipped = {name for name, outcome in record["parts"].items() if outcome.startswith("skipped")}
    assert skipped == {"student_training_captured"}
    assert {file.stem for file in tmp_path.glob("*.json")} == set(PARTS) - skipped | {"gpu"}


def test_a_part_takes_no_other_along(tmp_path: Path) -> None:
    def raising(error: Exception) -> Callable[[Asked], Result]:
        def measure(asked: Asked) -> Result:
            raise error

        return measure

    parts = {
        "broken": Part(1, raising(ValueError("[/red] a fault"))),
        "missing": Part(1, raising(Skipped("no card"))),
        "long": Part(100, raising(AssertionError())),
        "sound": Part(1, lambda asked: Result("sound", {}, [])),
    }
    outcomes = run_parts(parts, Asked(), 10, tmp_path)
    assert outcomes["broken"] == "failed: ValueError: [/red] a fault"
    assert outcomes["missing"] == "skipped: no card"
    assert outcomes["long"].startswith("skipped: it takes up to 100 s, and 10 s")
    assert outcomes["sound"].startswith("measured in")
    assert json.loads((tmp_path / "gpu.json").read_text())["parts"] == outcomes


def test_no_card_no_figures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for words, message in (([], "expected a GPU, found none"), (["--quick", "x"], "found x")):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert message in capsys.readouterr().err


def test_all_parts_fit_into_the_time() -> None:
    assert sum(part.seconds for part in PARTS.values()) <= 60 * gpu.MINUTES
