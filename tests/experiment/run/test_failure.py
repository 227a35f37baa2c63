"""What a config names from elsewhere and fails is one message; the run directory says that it failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from semdd_lightning.cli.main import main
from semdd_lightning.experiment.run.together import FILE_NAME

EXTENSIONS = """
from lightning.pytorch import Callback
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.profilers import SimpleProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy

def fail(*_, **__):
    raise KeyError("oops")

class InHook(Callback):
    def __init__(self, hook: str) -> None:
        setattr(self, hook, fail)

class InLog(CSVLogger):
    log_metrics = fail_log = lambda self, *_, **__: fail()

class InSummary(SimpleProfiler):
    def summary(self) -> str:
        return fail()

class InMaking(Callback):
    def __init__(self) -> None:
        fail()

class InStrategy(SingleDeviceStrategy):
    def __init__(self) -> None:
        super().__init__("cpu")
    def setup(self, trainer) -> None:
        fail()
"""
STOPPING = ("--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val_loss")
HOOK = "--trainer.callbacks+=theirs.InHook"


@pytest.fixture(autouse=True)
def _theirs(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "theirs.py").write_text(EXTENSIONS)
    monkeypatch.syspath_prepend(workplace)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("EarlyStopping", (*STOPPING, "--trainer.check_val_every_n_epoch=1")),
        ("EarlyStopping", STOPPING),
        ("LearningRateFinder", ("--trainer.callbacks+=LearningRateFinder",)),
        ("BatchSizeFinder", ("--trainer.callbacks+=BatchSizeFinder",)),
        ("limit_test_batches=0.1", ("--trainer.limit_test_batches=0.1",)),
        ("InMaking", ("--trainer.callbacks+=theirs.InMaking",)),
        ("InHook", (HOOK, "--trainer.callbacks.hook=setup")),
        ("InHook", (HOOK, "--trainer.callbacks.hook=on_train_batch_end")),
        ("InHook", (HOOK, "--trainer.callbacks.hook=on_test_end")),
        ("InLog", ("--trainer.logger=theirs.InLog", "--trainer.logger.save_dir=logs")),
        ("InSummary", ("--trainer.profiler=theirs.InSummary",)),
        ("InStrategy", ("--trainer.strategy={class_path: theirs.InStrategy}",)),
        ("SGD", ("--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=-1")),
        ("Lightning", ("--trainer.val_check_interval=1000", "--trainer.check_val_every_n_epoch=1")),
    ],
)
def test_a_part_that_fails_is_named(
    name: str,
    options: tuple[str, ...],
    refused: Callable[..., str],
    small: tuple[str, ...],
    run_directories: Callable[[], list[Path]],
) -> None:
    line = refused("fit", *small, *options).splitlines()[-1]
    assert line.startswith("semdd fit: Expected")
    assert name in line
    (run,) = run_directories()
    said = (run / FILE_NAME).read_text()
    assert said.startswith(line.removeprefix("semdd fit: "))
    assert "Traceback" in said


def test_a_fault_of_our_own_is_not_explained_away(
    small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, run_directories: Callable[[], list[Path]]
) -> None:
    monkeypatch.setattr("semdd_lightning.models.NormalizedNetwork.forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["fit", *small])
    (run,) = run_directories()
    assert "ZeroDivisionError" in (run / FILE_NAME).read_text()
