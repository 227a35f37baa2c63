"""docs/python.md: its lines run as they stand; the loggers' page goes on from there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from semdd_lightning.cli.main import main
from semdd_lightning.export import read_manifest
from semdd_lightning.training import CheckpointTeacher
from tests.small_runs import SMALL

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "python.md").read_text()
CHOOSE, MODULE, TRAIN, LOAD = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
(LOG,) = re.findall(r"```python\n(.*?)```", (DOCS / "loggers.md").read_text(), flags=re.DOTALL)


def test_a_module_of_ones_own_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    for block in (CHOOSE, MODULE):
        exec(block, names)  # noqa: S102 - the page's own lines
    lines = [line for line in MODULE.split("class ")[1].splitlines() if line]
    steps = next(number for number, line in enumerate(lines) if "test_step" in line)
    assert steps + 2 <= 10, "ten lines that train"
    torch.manual_seed(0)
    exec(TRAIN, names)  # noqa: S102
    trainer, data = names["trainer"], names["data"]
    assert trainer.global_step == 30
    assert trainer.callback_metrics["accuracy"] > 0.3, "thrice chance"
    assert data.selected.paths == names["chosen"].paths == list(read_manifest(tmp_path / "chosen").paths)
    exec(LOG, names)  # noqa: S102
    assert (tmp_path / "subset.png").is_file()
    assert capsys.readouterr().out.startswith("[")


def test_a_trained_network_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"`semdd (fit [^`]*)`", PAGE)
    assert main([*shlex.split(command), *SMALL, "--data.test=null"]) == 0
    names: dict[str, Any] = {}
    capsys.readouterr()
    exec(LOAD, names)  # noqa: S102
    network, images = names["network"], names["images"]
    assert capsys.readouterr().out.startswith("['")
    assert not network.training
    assert names["probabilities"].shape == (4, 10)
    saved = torch.load("runs/quickstart/my_run/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(saved[f"network.{name}"], value) for name, value in network.state_dict().items())
    with torch.no_grad():
        assert CheckpointTeacher(Path("runs/quickstart/my_run")).network is None
        torch.testing.assert_close(
            network(images), names["load_network"](Path("runs/quickstart/my_run"))(images)
        )
