"""Small runs for the tests of commands, experiments and studies: options, a finished run, a working place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import semdd_lightning
from semdd_lightning.cli.main import main

if TYPE_CHECKING:
    from torch import Tensor

SMALL = (
    "--config=quickstart.yaml",
    "--data.pool.init_args.images_per_class=12",
    "--data.ipc=2",
    "--data.passes=2",
    "--data.passes_per_epoch=1",
    "--data.validation=null",
    "--model.student=semdd_lightning.models.ConvNet",
    "--model.student.init_args.depth=1",
    "--model.student.init_args.width=8",
    "--model.student.init_args.norm=instance",
    "--trainer.enable_progress_bar=false",
    "--trainer.accelerator=cpu",
)
OWN_POOL = "--data.pool.init_args.seed=5"


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pools and embeddings of all tests here, so that each is made once."""
    return tmp_path_factory.mktemp("cli") / "cache"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a test."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(Path(semdd_lightning.__file__).parents[1]))  # for child processes
    return folder


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Options that make the quickstart a matter of a second."""
    return SMALL


@pytest.fixture
def finished_words() -> tuple[str, ...]:
    """The words that made the run `finished`."""
    return ("fit", *SMALL, OWN_POOL)


@pytest.fixture(scope="session")
def finished(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a `semdd fit` on a pool that nothing was encoded of before."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("SEMDD_CACHE", str(shared_cache))
        assert main(["fit", *SMALL, OWN_POOL]) == 0
    (directory,) = _run_directories(folder)
    return directory


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder pool of six generated digits per class."""
    from semdd_lightning.pools.digits import GeneratedDigits

    reader = GeneratedDigits(6, root=tmp_path_factory.mktemp("digits"))
    reader.prepare()
    return reader.folder


@pytest.fixture
def classes(workplace: Path) -> Path:
    """The class list that names these folders."""
    return write_classes(workplace)


def write_classes(folder: Path) -> Path:
    """A class list of the digits, whose folders are numbers."""
    from semdd_lightning.pools.digits import DIGIT_NAMES

    rows = [f"{name},{digit}" for digit, name in enumerate(DIGIT_NAMES)]
    (folder / "classes.csv").write_text("\n".join(["name,folder", *rows]) + "\n")
    return folder / "classes.csv"


@pytest.fixture(scope="session")
def selected(digits: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `semdd select` wrote: two of the six digits per class."""
    folder = tmp_path_factory.mktemp("selected")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEMDD_CACHE", str(shared_cache))
        classes = write_classes(folder)
        words = [
            "select",
            str(digits),
            "--ipc=2",
            "--sampler=two_stage",
            "--prior=digits",
            f"--classes={classes}",
        ]
        assert main([*words, f"--out={folder / 'chosen'}"]) == 0
    return folder / "chosen"


@pytest.fixture
def chosen(selected: Path, workplace: Path) -> Path:
    """A copy of what was selected, in the working directory."""
    return Path(shutil.copytree(selected, "chosen"))


@pytest.fixture
def run_directories(workplace: Path) -> Callable[[], list[Path]]:
    """Lists the runs below the working directory, oldest first."""
    return lambda: _run_directories(workplace)


@pytest.fixture
def fit(run_directories: Callable[[], list[Path]]) -> Callable[..., Path]:
    """Fits the small quickstart with further options and gives the run's directory."""

    def fit_small(*words: str) -> Path:
        before = run_directories()
        assert main(["fit", *SMALL, *words]) == 0
        (new,) = (directory for directory in run_directories() if directory not in before)
        return new

    return fit_small


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that is refused, with exit status 2 and no traceback; gives what stderr says."""

    def run_refused(*words: str) -> str:
        capsys.readouterr()
        assert main(words) == 2
        message = capsys.readouterr().err
        assert "Traceback" not in message
        return message

    return run_refused


@pytest.fixture
def student_weights() -> Callable[[Path], dict[str, Tensor]]:
    """Reads the student's weights out of a run's checkpoint."""
    import torch

    return lambda directory: torch.load(directory / "last.ckpt", weights_only=True)["state_dict"]


def _run_directories(workplace: Path) -> list[Path]:
    found = (workplace / "runs").glob("*/*")
    return sorted(found, key=lambda directory: (directory / "versions.json").stat().st_mtime_ns)
