"""Whoever pastes what a command names as the next one gets on."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from semdd_lightning.cli.main import main

MAKE = "semdd pool make --generator random --dataset digits --images-per-class 4 --size 16 --out 'my pool'"


def named_next(output: str) -> list[str]:
    """The commands below ``Next:``."""
    below = output.partition("Next:\n")[2].splitlines()
    return [line.strip() for line in below if line.startswith("  semdd ")]


def test_next_commands_lead_from_a_pool_to_a_shared_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    left, seen = [MAKE], set[str]()
    while left:
        line = left.pop(0)
        words = ["digits" if word == "ViT-B-32-quickgelu:openai" else word for word in shlex.split(line)]
        if words[1] == "select":  # of the pool, and again of what was exported
            shutil.rmtree("chosen", ignore_errors=True)
        assert main(words[1:]) == 0, (line, capsys.readouterr().err)
        seen.add(line)
        left += [command for command in named_next(capsys.readouterr().out) if command not in {*seen, *left}]
    ran = {shlex.split(line)[1] for line in seen}
    assert ran == {"pool", "audit", "select", "open", "verify", "export"}
