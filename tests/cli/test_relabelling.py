from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from semdd_lightning.cli.main import main
from semdd_lightning.training.soft_labels import LabelStore

PASSES = (  # two blocks of passes, and no test afterwards
    "--data.passes=12",
    "--data.passes_per_epoch=6",
    "--data.batch_size=7",
    "--data.test=null",
)
NO_NORM = "--model.student.init_args.norm=none"  # a bias before a norm has no gradient but rounding's
STORED = ("--model.teacher=StoredLabels", "--model.teacher.path=labels")

Weights = Callable[[Path], dict[str, Tensor]]
Fit = Callable[..., Path]


def _relabel(small: tuple[str, ...], *words: str) -> LabelStore:
    assert main(["relabel", *small, *PASSES, NO_NORM, "--out=labels", *words]) == 0
    return LabelStore.open(Path("labels"))


def _printed(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def _distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((value - other[name]).abs().max()) for name, value in one.items())


def test_fit_from_labels_is_fit_with_the_teacher(
    small: tuple[str, ...],
    fit: Fit,
    student_weights: Weights,
    capsys: pytest.CaptureFixture[str],
    workplace: Path,
) -> None:
    store = _relabel(small, "--precision=fp32")
    assert [path.name for path in workplace.iterdir()] == ["labels"]
    text = _printed(capsys)
    assert "teacher ClipTeacher, top-1" in text
    assert "mean KL to the exact labels 0.0e+00 at temperature 20, 0.0e+00 at 1" in text
    assert "--model.teacher StoredLabels --model.teacher.path labels" in text

    online, stored = fit(*PASSES, NO_NORM), fit(*PASSES, NO_NORM, *STORED)
    assert _distance(student_weights(online), student_weights(stored)) == 0
    results = [json.loads((run / "result.json").read_text()) for run in (online, stored)]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert [result["replay_seed"] for result in results] == [None, 0]
    text = _printed(capsys)
    assert text.count("semdd compare") == 1, "stored labels are those of one selection"
    again = f"--config {stored.relative_to(workplace)}/config.yaml --seed_everything 1 --data.replay_seed 0"
    assert f"semdd fit {again} semdd verify" in text
    assert main(["fit", *again.split()]) == 0
    card = torch.load(stored / "last.ckpt", weights_only=True)["semdd"]["teacher"]
    assert card["sha256"] == store.header.teacher["sha256"]


def test_a_killed_run_goes_on(small: tuple[str, ...]) -> None:
    store = _relabel(small)
    first, second = store.file(0), store.file(1)
    labels, written = second.read_bytes(), first.stat().st_mtime_ns
    second.unlink()
    _relabel(small)
    assert second.read_bytes() == labels
    assert first.stat().st_mtime_ns == written


def test_compressed_labels_say_what_they_cost(
    small: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    store = _relabel(small, "--precision=int8", "--top-k=2", "--data.distinct_passes=3")
    assert store.header.passes == 3
    assert store.header.label_format.bytes_per_label == 2 + 2 + 2 + 2 + 2
    text = _printed(capsys)
    assert "passes 3 teacher" in text
    assert "stored as int8, the 2 largest logits, the rest evenly, 10 bytes a label" in text
    cost = float(text.split("mean KL to the exact labels ")[1].split(" ")[0])
    assert 1e-5 < cost < 0.1


@pytest.mark.parametrize("asked", ["--static", "--model.teacher=StaticLabels"])
def test_static_labels(
    asked: str, small: tuple[str, ...], fit: Fit, student_weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = ("--model.teacher=StaticLabels", "--model.teacher.teacher=ClipTeacher")
    words = (asked,) if asked == "--static" else teacher
    store = _relabel(small, "--precision=fp32", *words)
    assert store.header.static
    text = _printed(capsys)
    assert "passes one label an image" in text
    assert "teacher ClipTeacher" in text
    assert "StaticLabels" not in text
    once, stored = fit(*PASSES, NO_NORM, *teacher), fit(*PASSES, NO_NORM, *STORED)
    assert _distance(student_weights(once), student_weights(stored)) < 1e-6


def test_another_students_seed_and_batch_size(small: tuple[str, ...], refused: Callable[..., str]) -> None:
    _relabel(small)
    other = ("--seed_everything=1", "--data.batch_size=10")
    message = refused("fit", *small, *PASSES, NO_NORM, *STORED, *other)
    assert "augmentation_seed is 0 in the store, 1 here" in message
    replay = ("--data.replay_seed=0", "--data.mixing_group=7")
    assert main(["fit", *small, *PASSES, NO_NORM, *STORED, *other, *replay]) == 0


def test_what_cannot_be_relabelled(small: tuple[str, ...], refused: Callable[..., str]) -> None:
    _relabel(small)
    again = refused("relabel", *small, *PASSES, NO_NORM, "--out=labels", "--data.augmentation.mix=mixup")
    assert "made_for.augmentation.mix is cutmix in the store, mixup here; give another --out" in again
    stored = refused("relabel", *small, *STORED, "--out=other")
    assert "Expected a teacher that looks at images, found StoredLabels" in stored
    hard = refused("relabel", "--config=teachers/cifar10_conv3.yaml", "--out=other")
    assert "Expected a model with a teacher, DistillationModule, found ClassifierModule" in hard
    assert "Expected top_k between 1 and 9" in refused("relabel", *small, "--top-k=10", "--out=other")
    assert not Path("other").exists()


def test_two_processes_label_and_learn_as_one(
    small: tuple[str, ...],
    fit: Fit,
    student_weights: Weights,
    run_directories: Callable[[], list[Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = _relabel(small, "--precision=fp32")
    one = fit(*PASSES, NO_NORM, *STORED)

    def together(command: str, *words: str) -> None:
        two = ("--trainer.devices=2", "--trainer.strategy=ddp")
        line = [sys.executable, "-m", "semdd_lightning", command, *small, *PASSES, NO_NORM, *two, *words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(line, capture_output=True, text=True, timeout=240, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("written to") == (command == "relabel"), "one rank prints the table"

    together("relabel", "--out=shared", "--precision=fp32")
    shared = LabelStore.open(Path("shared"))
    assert shared.header.key == alone.header.key
    for block in range(2):
        for name, part in alone._open(block).items():
            torch.testing.assert_close(shared._open(block)[name], part, atol=1e-5, rtol=1e-5)

    together("fit", "--model.teacher=StoredLabels", "--model.teacher.path=shared")
    (run,) = (directory for directory in run_directories() if directory != one)
    assert _distance(student_weights(one), student_weights(run)) < 1e-4
