"""Variants of a training step, at a tiny size: each trains, and stacked students train as alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import step_variants
from benchmarks.step_variants import measure, stacked_training
from benchmarks.student_training import bare_training
from benchmarks.training_task import TrainingTask
from semdd_lightning.training.teachers import FrozenTeacher

CPU = torch.device("cpu")


@pytest.fixture
def task(tmp_path: Path) -> TrainingTask:
    return TrainingTask(tmp_path, "conv3", 8, 6, 2, 1, 1, num_classes=3, batch_size=3)


def test_stacked_students_learn_what_each_learns_alone(task: TrainingTask) -> None:
    teacher = FrozenTeacher(task.write().teacher_network(), CPU)
    generator = torch.Generator().manual_seed(0)
    passes = [[torch.rand(2, 5, 3, 8, 8, generator=generator) for _ in range(2)] for _ in range(3)]
    together = [task.new_student() for _ in range(2)]
    for _ in stacked_training([*together], teacher, passes):
        pass
    for index, student in enumerate(together):
        alone = task.new_student()
        for _ in bare_training(alone, teacher, [[images[index] for images in batches] for batches in passes]):
            pass
        images = passes[0][0][index]
        expected, found = alone.eval()(images), student.eval()(images)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
        assert (found - task.new_student().eval()(images)).abs().max() > 1e-2


def test_the_student_in_bfloat16_is_one(task: TrainingTask) -> None:
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    plain = task.new_student().eval()
    logits = step_variants.InBfloat16(plain)(images)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, logits.bfloat16().float())
    torch.testing.assert_close(logits, plain(images), atol=0.05, rtol=0.05)


def test_each_variant_is_compared(task: TrainingTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(step_variants.VARIANTS, "compiled")  # takes a compiler, and its time
    result = measure(task, rounds=1)
    assert [ratio.name for ratio in result.ratios] == ["as it is / bfloat16", "as it is / 4 students stacked"]
    assert all(ratio.value > 0 for ratio in result.ratios)
