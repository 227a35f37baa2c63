"""A command dies at a random moment; the same command again ends as if nothing had been.

The long form, SEMDD_LONG=1, ends each of four commands 20 times with SIGKILL and 20 times with SIGTERM, and a
training of half a minute 5 times; it prints the rows of the table in docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from semdd_lightning.cli.main import main
from semdd_lightning.evaluation import write_cells
from semdd_lightning.experiment.run.last_checkpoint import LastCheckpoint
from semdd_lightning.pools.digits import GeneratedDigits
from tests.evaluation.grids import runs
from tests.forking import Forks
from tests.small_runs import SMALL

LONG = os.environ.get("SEMDD_LONG") == "1"
MINUTE = "fit, half a minute"
TIMES = {MINUTE: 5}
TRAINING = [word for word in SMALL if "passes" not in word]
TRAINING += ["--data.passes=40", "--data.passes_per_epoch=10"]
COMMANDS = {
    "select": [
        "select",
        "../pool",
        "--prior=digits",
        "--audit=off",
        "--ipc=2",
        "--sampler=two_stage",
        "--out=out",
    ],
    "relabel": ["relabel", *TRAINING, "--out=out"],
    "fit": ["fit", *TRAINING, "--run.directory=out"],
    "compare": ["compare", *TRAINING, "--samplers", "two_stage", "random", "--seeds", "0", "--out=out"],
    MINUTE: ["fit", "--config=quickstart.yaml", "--trainer.accelerator=cpu", "--run.directory=out"],
}
CASES = [(name, signum) for name in COMMANDS for signum in (signal.SIGKILL, signal.SIGTERM)]
USUAL = [("select", signal.SIGKILL), ("fit", signal.SIGTERM), ("compare", signal.SIGKILL)]
OTHER_EACH_TIME = {"seconds", "encoded", "directory", "working_directory", "environment", "sha256"}
OTHER_EACH_TIME |= {"wall_seconds", "peak_memory_bytes"}
MOMENTS = ("before work", "in its midst", "after it")
OLD_STUDENT = ["--config=base/config.yaml", "--ckpt_path=base/last.ckpt"]
SIGNALLED = {  # command -> its words, and part of the path whose opening brings the signal
    "audit": (["audit", "../pool", "--prior=digits"], ".png"),
    "verify": (["verify", "base"], "manifest.json"),
    "predict": (["predict", *OLD_STUDENT], "last.ckpt"),
    "test": (["test", *OLD_STUDENT], "last.ckpt"),
    "validate": (["validate", *OLD_STUDENT, "--data.validation=DigitsImages"], "last.ckpt"),
    "inspect": (["pool", "inspect", "../pool"], ".png"),
    "select": (COMMANDS["select"], ".png"),
    "relabel": (COMMANDS["relabel"], "passes-"),
    "compare": (COMMANDS["compare"], "result.json"),
    "fit": (COMMANDS["fit"], "last.ckpt"),
}
MAKE = ("--generator=random", "--source=../here/pool", "--images-per-class=3", "--size=8")
KILLED = {  # command -> its words, and part of the path whose opening ends it
    "parquet": (["export", "../here/out", "--to=hf", "--out=out"], "classes.csv"),
    "tars": (["export", "../here/out", "--to=webdataset", "--out=out"], "_info.json"),
    "apply": (["apply", "../here/out", "../here/pool", "--out=out"], "chosen.csv"),
    "make": (["pool", "make", *MAKE, "--out=out"], "/.00002.png"),
    "plot": (["plot", "../here/compared", "--kind=accuracy", "--out=out"], "comparison.md"),
}
ENDINGS = [(name, signum) for name in SIGNALLED for signum in (signal.SIGTERM, signal.SIGINT)]
USUAL_ENDINGS = [("audit", signal.SIGTERM), ("predict", signal.SIGINT), ("inspect", signal.SIGINT)]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Class folders of 12 digits each, beside the folders in which commands run."""
    generated = GeneratedDigits(images_per_class=12, root=tmp_path)
    generated.prepare()
    return generated.folder.rename(tmp_path / "pool")


@pytest.mark.parametrize(("name", "signum"), CASES if LONG else USUAL)
@pytest.mark.usefixtures("pool")
def test_the_same_command_goes_on(
    name: str, signum: signal.Signals, forks: Forks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, words, ended, lost = tmp_path / "whole", COMMANDS[name], Counter[str](), list[float]()
    seconds = run(forks, words, whole)
    if LONG:  # without what is slow for the first time alone
        seconds = run(forks, words, tmp_path / "again")
    moments = random.Random(f"{name} {signum}")  # noqa: S311 - the same moments each time, if not the same work
    for number in range(TIMES.get(name, 20) if LONG else 1):
        folder, moment = tmp_path / str(number), moments.uniform(0.02, 0.98) * seconds
        status = end(forks, words, folder, signum, moment)
        require_whole_files(folder)
        finished = finished_work(folder)
        ended[MOMENTS[2 if status == 0 else 1 if finished or [*folder.rglob("*.ckpt")] else 0]] += 1
        # `select` refuses a selection that is there: killed behind its last step, it was done
        done = status == 0 or (name == "select" and is_selection(folder / "out"))
        if not done:
            lost.append(max(0.0, moment + run(forks, words, folder) - seconds))
        assert {path: path.stat().st_mtime_ns for path in finished} == finished, "no finished work twice"
        assert contents(folder) == contents(whole)
        left = [path for path in folder.rglob(".*") if path.name.startswith(".")] + [*folder.rglob("*.lock")]
        assert left == [], "nothing is left of the dead"
    if LONG:
        counts = " | ".join(str(ended[moment]) for moment in MOMENTS)
        cost = f"{mean(lost):.1f}, at most {max(lost):.1f}" if lost else "0"
        with capsys.disabled():
            print(f"\n| {name} | {signum.name} | {counts} | 0 | 0 | {cost} of {seconds:.1f} |")


@pytest.mark.parametrize(("name", "signum"), ENDINGS if LONG else USUAL_ENDINGS)
@pytest.mark.usefixtures("pool")
def test_a_signal_ends_every_command_with_one_sentence(
    name: str, signum: signal.Signals, forks: Forks, tmp_path: Path, finished_run: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "base").symlink_to(finished_run)
    words, opened = SIGNALLED[name]
    process = forks.start([words], folder, folder / "log", own_cache(folder), opened, signum)
    status, said = forks.wait(process), (folder / "log").read_text()
    assert status == 128 + signum, said
    word = {signal.SIGTERM: "Terminated; ", signal.SIGINT: "Interrupted; "}[signum]
    assert said.count(word) == 1, said
    assert "Traceback" not in said
    require_whole_files(folder)


@pytest.mark.parametrize("name", KILLED)
def test_a_command_of_one_step_is_done_or_not_begun(name: str, forks: Forks, made: Path) -> None:
    words, opened = KILLED[name]
    whole, folder = made.parent / f"whole {name}", made.parent / name
    run(forks, words, whole)
    folder.mkdir()
    process = forks.start([words], folder, folder / "log", own_cache(folder), opened, signal.SIGKILL)
    assert forks.wait(process) == -signal.SIGKILL, (folder / "log").read_text()
    require_whole_files(folder)
    run(forks, words, folder)
    assert contents(folder) == contents(whole) != {}
    assert [*folder.rglob(".*.tmp")] == [], "nothing is left of the dead"


@pytest.fixture(scope="module")
def made(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pool, a selection of it, and a comparison that nobody ran."""
    folder = tmp_path_factory.mktemp("made") / "here"
    generated = GeneratedDigits(images_per_class=12, root=folder)
    generated.prepare()
    generated.folder.rename(folder / "pool")
    run(forks, [word.replace("..", ".") for word in COMMANDS["select"]], folder)
    write_cells(folder / "compared", runs({"random": [0.4, 0.5], "two_stage": [0.5, 0.7]}))
    return folder


@pytest.fixture(scope="module")
def finished_run(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    words = ["fit", *(word for word in SMALL if "validation" not in word), "--run.directory=out"]
    run(forks, words, folder)
    return folder / "out"


@pytest.mark.skipif(not LONG, reason="half a minute")
def test_checkpoints_cost_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spent: list[float] = []
    write: Callable[..., None] = LastCheckpoint._write

    def timed(*args: object) -> None:
        started = time.perf_counter()
        write(*args)
        spent.append(time.perf_counter() - started)

    monkeypatch.setattr(LastCheckpoint, "_write", timed)
    monkeypatch.chdir(tmp_path)
    assert main(COMMANDS[MINUTE]) == 0
    trained = json.loads((tmp_path / "out" / "result.json").read_text())["seconds"]["train"]
    size = (tmp_path / "out" / "last.ckpt").stat().st_size / 2**20
    share = 100 * sum(spent) / trained
    with capsys.disabled():
        print(f"\n{len(spent)} checkpoints of {size:.1f} MiB: {share:.1f} % of {trained:.0f} s of training")
    assert share < 5


def is_selection(folder: Path) -> bool:
    """Whether `select` has given its folder away."""
    return (folder / "manifest.json").is_file() and not (folder / ".unfinished").exists()


def run(forks: Forks, words: list[str], folder: Path) -> float:
    """Run a command to its end; the seconds it took."""
    folder.mkdir(exist_ok=True)
    started = time.monotonic()
    process = forks.start([words], folder, folder / "log", own_cache(folder))
    assert forks.wait(process) == 0, (folder / "log").read_text()
    return time.monotonic() - started


def end(forks: Forks, words: list[str], folder: Path, signum: signal.Signals, after: float) -> int:
    """End a command after some seconds; its status."""
    folder.mkdir()
    process = forks.start([words], folder, folder / "log", own_cache(folder))
    time.sleep(after)
    try:
        os.kill(process, signum)
    except ProcessLookupError:  # it was faster this time
        return forks.wait(process)
    status = forks.wait(process)
    expected = {0, -signal.SIGKILL} if signum == signal.SIGKILL else {0, 143, -signal.SIGTERM}
    said = (folder / "log").read_text()
    assert status in expected, said
    assert "Traceback" not in said
    if status == 143:
        assert said.count("Terminated; ") == 1, said
    return status


def own_cache(folder: Path) -> dict[str, str]:
    return {"SEMDD_CACHE": str(folder / "cache")}


def require_whole_files(folder: Path) -> None:
    """Whatever bears its final name can be read."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.name.startswith(".") or path.suffix == ".lock":
            continue
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
        elif path.suffix == ".parquet":
            pd.read_parquet(path)
        elif path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                assert list(file.keys())
        elif path.suffix == ".ckpt":
            torch.load(path, weights_only=True)


def finished_work(folder: Path) -> dict[Path, int]:
    """What took long and is there: its time must stay."""
    expensive = [
        *folder.glob("cache/embeddings/*/shard-*.safetensors"),
        *folder.glob("out/passes-*.safetensors"),
    ]
    expensive += folder.glob("out/*/result.json")  # of a comparison's runs
    return {path: path.stat().st_mtime_ns for path in expensive}


def contents(folder: Path) -> dict[str, object]:
    """All of a result that must be the same: bytes, but numbers of checkpoints and records."""
    found: dict[str, object] = {}
    out = folder / "out"
    compared = (out / "cells.json").exists()
    for path in sorted(out.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if compared and path.parent == out and path.stem in ("comparison", "report"):
            continue  # seconds and memory stand there, other ones each time
        if path.suffix == ".ckpt":
            weights = torch.load(path, weights_only=True)["state_dict"]
            found[name] = {key: value.numpy().tobytes() for key, value in weights.items()}
        elif path.suffix == ".json":
            found[name] = lasting(json.loads(path.read_text().replace(str(folder), "")))
        elif path.is_file():
            found[name] = path.read_bytes().replace(str(folder).encode(), b"")
    return found


def lasting(record: object) -> object:
    """A record without times and places."""
    if isinstance(record, dict):
        return {key: lasting(value) for key, value in record.items() if key not in OTHER_EACH_TIME}
    return [lasting(value) for value in record] if isinstance(record, list) else record
