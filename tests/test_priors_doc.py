"""Every command of docs/priors.md is run as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.cli.main import main
from semdd_lightning.models import CIFAR_MEAN, CIFAR_STD, NormalizedNetwork, build_network
from semdd_lightning.pools.digits import DIGIT_NAMES, GeneratedDigits
from semdd_lightning.training.checkpoint_card import checkpoint_card

DOCUMENT = Path(__file__).parents[1] / "docs" / "priors.md"


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_clip_dir: Path) -> None:
    monkeypatch.chdir(tmp_path)
    digits = GeneratedDigits(3, root=tmp_path / "made")
    digits.prepare()
    for folder in ("pool", "real"):
        shutil.copytree(digits.folder, folder)
    shutil.copytree(tiny_clip_dir, "tiny_clip")
    rows = [f"{name},{digit}" for digit, name in enumerate(DIGIT_NAMES)]
    Path("classes.csv").write_text("\n".join(["name,folder", *rows]) + "\n")
    save_file(timm.create_model("test_vit").state_dict(), "weights.safetensors")
    network = NormalizedNetwork(build_network("conv3", 10, 32), 32, CIFAR_MEAN, CIFAR_STD)
    card = checkpoint_card(network, "conv3", 10, ClassRegistry(DIGIT_NAMES, DIGIT_NAMES))
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    Path("run").mkdir()
    torch.save({"semdd": card, "state_dict": state}, "run/last.ckpt")
    commands = re.findall(r"^\$ semdd (.+)$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        assert main(shlex.split(command)) == 0, command
