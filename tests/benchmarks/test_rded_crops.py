"""The contestants of RDED's crops, at a tiny size: both are timed; its code is called as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import rded_crops
from benchmarks.training_task import TrainingTask
from semdd_lightning.generation import Rded

SETTINGS = Rded("unused", sources=4, crops=2, factor=2)
RDED = {
    "argument.py": "import argparse, os\nargs = argparse.ArgumentParser().parse_args()\nos.makedirs('exp')\n",
    "validation/utils.py": """
import torchvision
class ImageFolder(torchvision.datasets.ImageFolder):
    def __init__(self, classes, ipc, shuffle, **kwargs):
        super().__init__(**kwargs)
        assert (len(classes), ipc, shuffle) == (2, 4, True)
""",
    "synthesize/utils.py": """
import torch
from torch.nn import functional as F
from argument import args
normalize = torch.nn.Identity()
class MultiRandomCrop:
    def __init__(self, num_crop, size, factor):
        self.num_crop, self.size = num_crop, size // factor
    def __call__(self, image):
        return torch.stack([image[:, :self.size, :self.size]] * self.num_crop)
def selector(n, model, images, labels, size, m):
    assert images.shape == (4, m, 3, 8, 8)
    model(F.pad(images[:, 0].cuda(), (4, 4, 4, 4)))
    return images[:n, 0]
def mix_images(images, size, factor, n):
    assert (len(images), size, factor, n) == (4, 16, 2, 1)
    return images
""",
}


@pytest.fixture
def task(tmp_path: Path) -> TrainingTask:
    return TrainingTask(tmp_path, "conv3", 16, 8, num_classes=2).write()


def test_an_imitation_stands_in_where_there_is_no_code(task: TrainingTask) -> None:
    result = rded_crops.measure(task, SETTINGS, 1, rounds=2)
    assert set(result.seconds) == {"ours", "a loop after RDED's description"}
    assert result.settings["images"] == 8
    assert min(result.figures.values()) > 0


def test_rdeds_code_is_called_as_it_is(task: TrainingTask) -> None:
    checkout = task.root / "rded"
    for name, code in RDED.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(code)
    before, argv = Path.cwd(), list(sys.argv)
    result = rded_crops.measure(task, SETTINGS, 1, rounds=1, rded=checkout)
    assert set(result.seconds) == {"ours", "RDED's own code", "RDED's own code, no workers"}
    assert (Path.cwd(), sys.argv) == (before, argv)
    assert not (before / "exp").exists()
