"""What every test gets: no network, a cache of its own, one thread, a tiny CLIP, a tiny coloured pool."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torchvision.datasets
from hypothesis import settings
from lightning.pytorch import Trainer
from PIL import Image
from safetensors.torch import save_file

from tests.small_runs import (  # fixtures of the tests of commands, experiments and studies
    chosen,
    classes,
    digits,
    finished,
    finished_words,
    fit,
    refused,
    run_directories,
    selected,
    shared_cache,
    small,
    student_weights,
    workplace,
)

__all__ = [
    "chosen",
    "classes",
    "digits",
    "finished",
    "finished_words",
    "fit",
    "refused",
    "run_directories",
    "selected",
    "shared_cache",
    "small",
    "student_weights",
    "workplace",
]

# a shell starts what runs in the background with Ctrl-C ignored, and tests send it
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

TINY_CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.25, 0.2], "resize_mode": "shortest"},
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads only cost time on models this small, and their number moves the last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        msg = "the network is blocked"
        raise OSError(msg)

    def connect(sock: socket.socket, address: Any) -> None:  # noqa: ANN401 - an address of any family
        local_connect(sock, address) if sock.family == socket.AF_UNIX else refuse()

    local_connect = socket.socket.connect  # worker processes hand tensors over through local sockets
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMDD_CACHE", str(tmp_path / ".default-cache"))


def write_tiny_clip(folder: Path, **overrides: Any) -> Path:  # noqa: ANN401 - entries of the configuration
    """A CLIP of random, seeded weights; `overrides` replace entries of its preprocess_cfg."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**TINY_CONFIG, "preprocess_cfg": {**TINY_CONFIG["preprocess_cfg"], **overrides}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(**TINY_CONFIG["model_cfg"])
        for parameter in model.parameters():  # spread out, so that images and texts differ visibly
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="session")
def tiny_clip_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


def random_image(width: int, height: int, seed: int) -> Image.Image:
    """Smooth noise: structure at several scales, as in a photograph, and no clipping."""
    small = np.random.default_rng(seed).integers(
        50, 206, (height // 4 + 2, width // 4 + 2, 3), dtype=np.uint8
    )
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def make_clip() -> Callable[..., Path]:
    return write_tiny_clip


@pytest.fixture
def make_image() -> Callable[[int, int, int], Image.Image]:
    return random_image


@pytest.fixture
def make_trainer() -> Callable[..., Trainer]:
    """A trainer that writes nothing and shows nothing."""

    def make(max_epochs: int = 1, **options: Any) -> Trainer:  # noqa: ANN401 - what Trainer takes
        quiet = {
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
        }
        return Trainer(accelerator="cpu", devices=1, max_epochs=max_epochs, **{**quiet, **options})

    return make


COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


@pytest.fixture(scope="session")
def coloured_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders blue, green, red of six distinct noisy 16 px images each."""
    root = tmp_path_factory.mktemp("pools") / "coloured"
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        for i in range(6):
            noise = generator.integers(-40, 41, (16, 16, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture
def unchecked_cifar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets torchvision read a CIFAR that is not the official one, whose hashes it knows."""
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
