"""A command dies at a random moment; the same command again ends as if nothing had been.

The long form, SEMDD_LONG=1, ends each of four commands 20 times with SIGKILL and 20 times with SIGTERM and
prints what it saw.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from tests.cli.conftest import SMALL
from tests.faults.forking import Server

LONG = os.environ.get("SEMDD_LONG") == "1"
TIMES = 20 if LONG else 1
TRAINING = [word for word in SMALL if "passes" not in word]
TRAINING += ["--data.passes=40", "--data.passes_per_epoch=10"]
COMMANDS = {
    "select": ["select", "--config=quickstart.yaml", "--ipc=5", "--out=out"],
    "relabel": ["relabel", *TRAINING, "--out=out"],
    "fit": ["fit", *TRAINING, "--run.directory=out"],
    "compare": ["compare", *TRAINING, "--samplers", "two_stage", "random", "--seeds", "0", "--out=out"],
}
CASES = [(name, signum) for name in COMMANDS for signum in (signal.SIGKILL, signal.SIGTERM)]
USUAL = [("select", signal.SIGKILL), ("fit", signal.SIGTERM), ("compare", signal.SIGKILL)]
OTHER_EACH_TIME = {"seconds", "encoded", "directory", "working_directory", "environment", "sha256"}


@dataclass
class Seen:
    """What became of commands that were ended."""

    statuses: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # files that were whole and stayed


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.mark.skipif(os.name != "posix", reason="forks")
@pytest.mark.parametrize(("name", "signum"), CASES if LONG else USUAL)
def test_the_same_command_goes_on(
    name: str, signum: signal.Signals, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, words, seen = tmp_path / "whole", COMMANDS[name], Seen()
    started = time.monotonic()
    run(server, words, whole)
    seconds = time.monotonic() - started
    moments = random.Random(f"{name} {signum}")  # noqa: S311 - the same moments each time, if not the same work
    for number in range(TIMES):
        folder = tmp_path / str(number)
        seen.statuses.append(end(server, words, folder, signum, moments.uniform(0.02, 0.98) * seconds))
        require_whole_files(folder)
        finished = finished_work(folder)
        if seen.statuses[-1] != 0:
            run(server, words, folder)
        assert {path: path.stat().st_mtime_ns for path in finished} == finished, "no finished work twice"
        assert contents(folder) == contents(whole)
        left = [path for path in folder.rglob(".*") if path.name.startswith(".")] + [*folder.rglob("*.lock")]
        assert left == [], "nothing is left of the dead"
        seen.kept.append(len(finished))
    if LONG:
        with capsys.disabled():
            ended = sum(status != 0 for status in seen.statuses)
            print(f"\n{name} {signum.name}: {ended} of {TIMES} ended early; kept {sum(seen.kept)} files")


def run(server: Server, words: list[str], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    server.start(words, folder, folder / "log")
    assert server.wait() == 0, (folder / "log").read_text()


def end(server: Server, words: list[str], folder: Path, signum: signal.Signals, after: float) -> int:
    """End a command after some seconds; its status."""
    folder.mkdir()
    process = server.start(words, folder, folder / "log")
    time.sleep(after)
    try:
        os.kill(process, signum)
    except ProcessLookupError:  # it was faster this time
        return server.wait()
    status = server.wait()
    expected = {0, -signal.SIGKILL} if signum == signal.SIGKILL else {0, 143, -signal.SIGTERM}
    said = (folder / "log").read_text()
    assert status in expected, said
    assert "Traceback" not in said
    if status == 143:
        assert said.count("Terminated; ") == 1, said
    return status


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
    expensive = [*folder.glob("cache/embeddings/*/shard-*"), *folder.glob("out/passes-*.safetensors")]
    expensive += folder.glob("out/*/result.json")  # of a comparison's runs
    return {path: path.stat().st_mtime_ns for path in expensive}


def contents(folder: Path) -> dict[str, object]:
    """All of a result that must be the same: bytes, but numbers of checkpoints and records."""
    found: dict[str, object] = {}
    for path in sorted((folder / "out").rglob("*")):
        name = path.relative_to(folder).as_posix()
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
