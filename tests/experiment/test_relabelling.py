from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from semdd_lightning.cli.main import main
from semdd_lightning.data import TrainingImages
from semdd_lightning.training import DistillationModule, distillation_loss
from semdd_lightning.training.soft_labels.store import LabelStore
from tests.forking import Forks, free_port

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


@dataclass(frozen=True)
class Labelled:
    """A store in fp32 that many tests read, and what was printed when it was written."""

    store: LabelStore
    printed: str
    made: list[str]

    @property
    def teacher(self) -> tuple[str, ...]:
        """Options of a student that learns from it."""
        return ("--model.teacher=StoredLabels", f"--model.teacher.path={self.store.directory}")


@pytest.fixture(scope="module")
def labelled(
    small: tuple[str, ...], shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Labelled:
    folder = tmp_path_factory.mktemp("labelled")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.redirect_stdout(printed):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("SEMDD_CACHE", str(shared_cache))
        assert main(["relabel", *small, *PASSES, NO_NORM, "--out=labels", "--precision=fp32"]) == 0
    made = [path.name for path in folder.iterdir()]
    return Labelled(LabelStore.open(folder / "labels"), _in_one_line(printed.getvalue()), made)


def _in_one_line(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def _relabel(small: tuple[str, ...], *words: str) -> LabelStore:
    assert main(["relabel", *small, *PASSES, NO_NORM, "--out=labels", *words]) == 0
    return LabelStore.open(Path("labels"))


def _printed(capsys: pytest.CaptureFixture[str]) -> str:
    return _in_one_line(capsys.readouterr().out)


def _distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((value - other[name]).abs().max()) for name, value in one.items())


def test_fit_from_labels_is_fit_with_the_teacher(
    labelled: Labelled,
    fit: Fit,
    student_weights: Weights,
    capsys: pytest.CaptureFixture[str],
    workplace: Path,
) -> None:
    assert labelled.made == ["labels"], "labels have a folder of their own and there is no run"
    assert "teacher ClipTeacher, top-1" in labelled.printed
    assert "mean KL to the exact labels 0.0e+00 at temperature 20, 0.0e+00 at 1" in labelled.printed
    assert "mean squared error of the logits 0.0e+00, of" in labelled.printed
    assert "--model.teacher StoredLabels --model.teacher.path labels" in labelled.printed

    online, stored = fit(*PASSES, NO_NORM), fit(*PASSES, NO_NORM, *labelled.teacher)
    assert _distance(student_weights(online), student_weights(stored)) == 0
    results = [json.loads((run / "result.json").read_text()) for run in (online, stored)]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert [result["replay_seed"] for result in results] == [None, 0]
    store = labelled.store
    assert [result["labels"] for result in results] == [
        {"kind": "online"},
        {
            "kind": "stored",
            "static": False,
            "format": "fp32, all logits",
            "passes": 12,
            "bytes": store.stored_bytes,
        },
    ]
    text = _printed(capsys)
    assert "labels soft, online" in text
    assert "labels soft, stored: 12 passes, fp32, all logits, " in text
    assert text.count("semdd compare") == 1, "stored labels are those of one selection"
    again = f"--config {stored.relative_to(workplace)}/config.yaml --seed_everything 1 --data.replay_seed 0"
    assert f"semdd fit {again} semdd open" in text
    assert main(["fit", *again.split()]) == 0
    card = torch.load(stored / "last.ckpt", weights_only=True)["semdd"]["teacher"]
    assert card == store.header.teacher
    assert card["history"]["network"] == "digits"


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
    assert "stored as int8, the 2 largest logits, the rest evenly, 10 bytes per label" in text
    cost = float(text.split("mean KL to the exact labels ")[1].split(" ")[0])
    assert 1e-5 < cost < 0.1


def test_static_labels(
    small: tuple[str, ...], fit: Fit, student_weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = ("--model.teacher=StaticLabels", "--model.teacher.teacher=ClipTeacher")
    store = _relabel(small, "--precision=fp32", "--static")
    assert _relabel(small, "--precision=fp32", *teacher).header == store.header, "both ways to ask for them"
    assert store.header.static
    text = _printed(capsys)
    assert text.count("passes one label per image") == 2
    assert text.count("teacher ClipTeacher") == 2
    assert "StaticLabels" not in text
    once, stored = fit(*PASSES, NO_NORM, *teacher), fit(*PASSES, NO_NORM, *STORED)
    assert _distance(student_weights(once), student_weights(stored)) < 1e-6
    text = _printed(capsys)
    assert "labels soft, static" in text
    assert "labels soft, stored: one per image, fp32, all logits, " in text


def test_another_students_seed_and_batch_size(
    labelled: Labelled, small: tuple[str, ...], refused: Callable[..., str]
) -> None:
    other = ("--seed_everything=1", "--data.batch_size=10")
    message = refused("fit", *small, *PASSES, NO_NORM, *labelled.teacher, *other)
    assert "augmentation_seed is 0 in the store, 1 here" in message
    replay = ("--data.replay_seed=0", "--data.mixing_group=7")
    assert main(["fit", *small, *PASSES, NO_NORM, *labelled.teacher, *other, *replay]) == 0


def test_what_cannot_be_relabelled(
    labelled: Labelled, small: tuple[str, ...], refused: Callable[..., str]
) -> None:
    out = f"--out={labelled.store.directory}"
    words = ("--precision=fp32", "--data.augmentation.mix=mixup")
    again = refused("relabel", *small, *PASSES, NO_NORM, out, *words)
    assert "made_for.augmentation.mix is cutmix in the store, mixup here; give another --out" in again
    stored = refused("relabel", *small, *STORED, "--out=other")
    assert "Expected a teacher that looks at images, found StoredLabels" in stored
    hard = refused("relabel", "--config=teachers/cifar10_conv3.yaml", "--out=other")
    assert "Expected a model with a teacher, DistillationModule, found ClassifierModule" in hard
    assert "Expected top_k between 1 and 9" in refused("relabel", *small, "--top-k=10", "--out=other")
    largest = refused("relabel", *small, "--top-k=3", "--model.loss=mse", "--out=other")
    assert "Expected labels with all logits for the loss mse, found the 3 largest" in largest
    assert not Path("other").exists()


def test_edcs_ensemble_is_stored_like_one_teacher(
    small: tuple[str, ...], fit: Fit, student_weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"model": "digits", "prompts": ["a picture of the digit {}", "{}"]}
    members = [
        {"class_path": "ClipTeacher"},
        {"class_path": "ClipTeacher", "init_args": {"prior": other}},
    ]
    ensemble = {"class_path": "EnsembleTeacher", "init_args": {"teachers": members}}
    edc = ("--config=protocols/edc.yaml", *PASSES, NO_NORM)
    teacher = f"--model.teacher={json.dumps(ensemble)}"
    assert main(["relabel", *small, *edc, teacher, "--precision=fp32", "--out=labels"]) == 0
    text = _printed(capsys)
    assert "teacher EnsembleTeacher, top-1" in text
    assert "mean squared error of the logits 0.0e+00" in text
    one, two = LabelStore.open(Path("labels")).header.teacher["history"]["members"]
    assert (one["network"], two["network"]) == ("digits", "digits")
    assert one["file_sha256"] == two["file_sha256"]
    assert one["prompts"] != two["prompts"]
    online, stored = fit(*edc, teacher), fit(*edc, *STORED)
    assert _distance(student_weights(online), student_weights(stored)) == 0


@contextlib.contextmanager
def _looked_up(store: LabelStore) -> Iterator[list[tuple[float, float]]]:
    """Of every step with a teacher its loss, and what it is from a store, at the same weights."""
    losses: list[tuple[float, float]] = []
    batches: list[TrainingImages] = []
    said = DistillationModule.teacher_logits

    def teacher_logits(module: DistillationModule, batch: TrainingImages) -> Tensor:
        batches.append(batch)
        return said(module, batch)

    def loss(student: Tensor, teacher: Tensor, *others: Any) -> Tensor:  # noqa: ANN401 - of the loss
        parts = store.read(batches[-1].drawn_pass, batches[-1].rows)
        stored = distillation_loss(student, store.header.label_format.decode(parts), *others)
        exact = distillation_loss(student, teacher, *others)
        losses.append((float(exact.detach()), float(stored.detach())))
        return exact

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(DistillationModule, "teacher_logits", teacher_logits)
        monkeypatch.setattr("semdd_lightning.training.distillation_module.distillation_loss", loss)
        yield losses


def test_rdeds_protocol_from_fp16_is_rdeds_protocol_online(
    small: tuple[str, ...], fit: Fit, student_weights: Weights
) -> None:
    """Its own recipe: AdamW, statistics updated twice per step, CutMix, temperature 20; all passes stored.

    AdamW makes whole steps of last bits where a gradient is nothing else, as that of a bias before BatchNorm,
    which then takes it away: so those are left out, and the rest is compared by how far training moved it.
    """
    sizes = ("--data.passes=50", "--data.batch_size=10", "--model.student.init_args.norm=batch")
    rded = ("--config=protocols/rded.yaml", *sizes)
    still = ("--model.optimizer.init_args.lr=0", "--data.passes=1", "--data.test=null")
    assert main(["relabel", *small, *rded, "--out=labels"]) == 0
    untrained = student_weights(fit(*rded, *still))
    with _looked_up(LabelStore.open(Path("labels"))) as losses:
        online = fit(*rded)
    stored = fit(*rded, *STORED)
    assert len(losses) == 50 * 2
    for exact, found in losses:
        assert found == pytest.approx(exact, rel=1e-3)

    start, one, other = (
        torch.cat([value.flatten() for name, value in weights.items() if name.endswith("weight")])
        for weights in (untrained, student_weights(online), student_weights(stored))
    )
    accuracies = [
        json.loads((run / "result.json").read_text())["metrics"]["test_top1"] for run in (online, stored)
    ]
    assert (one - other).norm() < 0.01 * (one - start).norm()
    assert accuracies[0] > 0.3, "it has learnt something"
    assert accuracies[1] == pytest.approx(accuracies[0], abs=0.01)


def test_two_processes_label_and_learn_as_one(
    labelled: Labelled,
    small: tuple[str, ...],
    fit: Fit,
    student_weights: Weights,
    run_directories: Callable[[], list[Path]],
    workplace: Path,
    shared_cache: Path,
    tmp_path: Path,
    forks: Forks,
) -> None:
    alone, one = labelled.store, fit(*PASSES, NO_NORM, *labelled.teacher)
    two = (*small, *PASSES, NO_NORM, "--trainer.num_nodes=2", "--trainer.strategy=ddp", "--trainer.devices=1")
    learn = ("--model.teacher=StoredLabels", "--model.teacher.path=shared")
    commands = [["relabel", *two, "--out=shared", "--precision=fp32"], ["fit", *two, *learn]]
    found = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "SEMDD_CACHE": str(shared_cache)}
    ended = forks.together(commands, [{**found, "NODE_RANK": rank} for rank in "01"], workplace, tmp_path)
    assert [process.status for process in ended] == [0, 0], ended
    said = "".join(process.stdout for process in ended)
    assert said.count("written to") == said.count("run directory") == 1, "one rank prints"

    shared = LabelStore.open(Path("shared"))
    assert shared.header.identity == alone.header.identity
    for block in range(2):
        for name, part in alone._read(block).items():
            torch.testing.assert_close(shared._read(block)[name], part, atol=1e-5, rtol=1e-5)
    (run,) = (directory for directory in run_directories() if directory != one)
    assert _distance(student_weights(one), student_weights(run)) < 1e-4
