"""`semdd resume`: a training goes on from its directory alone, with the numbers of the undisturbed one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from semdd_lightning.cli.main import main
from semdd_lightning.experiment.run.ownership import MARK
from tests.cli.run_files import read

LONGER = ("--data.passes=12", "--data.passes_per_epoch=6")
STOP = "tests.cli.test_resume.StopAt"


class StopAt(Callback):
    """Sends a signal in the midst of an epoch, while the student is tested, or before anything is trained."""

    def __init__(
        self, step: int = 0, signum: int = signal.SIGTERM, only_once: Path = Path("stopped")
    ) -> None:
        self.step, self.signum, self.once = step, signum, only_once

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if trainer.global_step == self.step > 0:
            self.stop()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.step < 0:
            self.stop()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.step == 0:
            self.stop()

    def stop(self) -> None:
        if not self.once.exists():
            self.once.touch()
            os.kill(os.getpid(), self.signum)


@pytest.fixture(scope="module")
def whole(small: tuple[str, ...], shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that is not disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "stopped").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SEMDD_CACHE", str(shared_cache))
        words = ["fit", *small, *LONGER, f"--trainer.callbacks={STOP}", "--trainer.callbacks.signum=15"]
        assert main([*words, "--run.directory=whole"]) == 0
    return folder / "whole"


@pytest.mark.parametrize(
    ("step", "signum", "status"),
    [(8, signal.SIGTERM, 143), (0, signal.SIGINT, 130), (-1, signal.SIGINT, 130)],
)
def test_it_ends_with_the_numbers_of_the_undisturbed_run(
    step: int,
    signum: signal.Signals,
    status: int,
    small: tuple[str, ...],
    whole: Path,
    workplace: Path,
    student_weights: Callable[[Path], dict[str, Tensor]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["fit", *small, *LONGER, f"--trainer.callbacks={STOP}", f"--trainer.callbacks.step={step}"]
    words += [f"--trainer.callbacks.signum={int(signum)}"]
    assert main([*words, "--run.directory=cut"]) == status
    said = capsys.readouterr().err
    assert "`semdd resume cut` goes on." in said
    assert "Traceback" not in said
    cut = workplace / "cut"
    if step >= 0:
        assert torch.load(cut / "last.ckpt", weights_only=True)["global_step"] == (step + 1 if step else 12)
    assert (cut / MARK).exists()

    (workplace / "elsewhere").mkdir()
    monkeypatch.chdir(workplace / "elsewhere")
    assert main(["resume", "../cut"]) == 0
    assert {path.name for path in cut.iterdir()} == {path.name for path in whole.iterdir()}
    one, other = student_weights(whole), student_weights(cut)
    assert all(torch.equal(one[key], other[key]) for key in one)
    results = [read(run / "result.json") for run in (whole, cut)]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert results[0]["configs"] == results[1]["configs"]
    metrics = [(run / "metrics" / "metrics.csv").read_text() for run in (whole, cut)]
    assert metrics[0] == metrics[1]
    assert read(cut / "versions.json")["command"] == ["semdd", *words, "--run.directory=cut"]


def test_there_must_be_something_to_go_on_with(
    finished: Path, workplace: Path, refused: Callable[..., str]
) -> None:
    assert "found a finished one" in refused("resume", str(finished))
    assert "found none" in refused("resume", "missing")
    (workplace / "mine").mkdir()
    assert "found another directory" in refused("resume", "mine")


def test_another_command_does_not_take_over_a_trained_student(
    small: tuple[str, ...], workplace: Path, refused: Callable[..., str]
) -> None:
    run = workplace / "run"
    run.mkdir()
    (run / MARK).touch()
    (run / "last.ckpt").touch()
    assert "`semdd resume" in refused("fit", *small, "--run.directory=run")
    assert "`semdd resume" in refused("select", "--config=quickstart.yaml", "--ipc=2", "--out=run")
    assert (run / "last.ckpt").exists()
    (run / "last.ckpt").unlink()
    assert main(["fit", *small, "--run.directory=run"]) == 0, "nothing is lost then"


def test_a_config_stays_where_its_directory_is_begun_anew(small: tuple[str, ...], workplace: Path) -> None:
    run = workplace / "run"
    words = ["fit", *small, f"--trainer.callbacks={STOP}", "--trainer.callbacks.step=-1"]
    assert main([*words, "--trainer.callbacks.signum=15", "--run.directory=run"]) == 143
    assert main(["fit", "--config=run/config.yaml", "--data.ipc=1", "--run.directory=run"]) == 0
    assert "ipc: 1" in (run / "config.yaml").read_text()
