"""Students at once, in threads in place of processes, which take seconds to start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import seeds_per_hour
from benchmarks.training_task import TrainingTask


def test_seeds_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds_per_hour, "pool_of", lambda _: ThreadPoolExecutor(1))
    called: list[Path] = []

    def seconds(task: TrainingTask) -> float:
        called.append(task.root)
        assert task.teacher.path.is_file()
        return 2.0

    monkeypatch.setattr(seeds_per_hour, "our_seconds", seconds)
    task = TrainingTask(tmp_path, "conv3", 8, 12, 10, 1, num_classes=3)
    result = seeds_per_hour.measure(task, processes=3, of=100, rounds=2)
    assert len(called) == 3 * (1 + 3)  # a round before does not count
    assert set(called[:4]) == {tmp_path / name for name in "012"}
    assert list(result.figures.values()) == [180.0, 540.0]
    assert result.ratios[0].value == 3.0
