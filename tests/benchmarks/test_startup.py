"""The measurement of the start, without starting what takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import startup


def test_help_runs_without_torch(tmp_path: Path) -> None:
    startup.run(startup.HELP, tmp_path)
    with pytest.raises(RuntimeError, match="found status 1"):
        startup.run("import sys; sys.modules['torch'] = None\n" + startup.HELP, tmp_path)


def test_a_program_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"found status 1: No step\."):
        startup.run("import sys; sys.exit('No step.')", tmp_path)


def test_programs_find_the_package_and_their_own_cache(tmp_path: Path) -> None:
    program = "import os, sys, semdd_lightning; sys.exit(os.environ['SEMDD_CACHE'] != sys.argv[1])"
    startup.run(program, tmp_path, str(tmp_path / "cache"))


def test_the_first_step_may_take_four_seconds_beyond_the_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"nothing": [0.1], "help": [0.25], "imports": [6.0], "first step": [8.0]}
    monkeypatch.setattr(startup, "time_in_turns", lambda *_, **__: seconds)
    runs: list[str] = []
    monkeypatch.setattr(startup, "run", lambda program, *_: runs.append(program))
    result = startup.measure(rounds=1)
    assert runs == [startup.FIRST_STEP] * 2  # which fill the cache
    assert [ratio.value for ratio in result.ratios] == [2.0, 1.25]
    assert result.figures["first step beyond the imports, ms"] == pytest.approx(2000)
