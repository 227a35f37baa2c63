"""What every test gets: no network, a cache of its own, one thread, a tiny CLIP, a tiny coloured pool.

The process that hands the tests out to others reads this as well, and would wait for torch in vain: so what
is heavy is imported where it is used.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

pytest_plugins = (
    "tests.forking",
    "tests.small_runs",  # fixtures of the tests of commands, experiments and studies
)

# of torch, here and in processes that tests start: on models this small, threads only cost time, and their
# number moves the last bits
os.environ["OMP_NUM_THREADS"] = "1"

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


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Let the collector pass over what was imported and collected: it stays, and is a million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_power_cut() -> Iterator[None]:
    """Processes die in tests, machines do not: what is written need not be on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True)
def _short_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default sampler learns from the pool for some steps, in place of seconds."""
    from semdd_lightning.data import learning, selecting

    plan = learning.LearningPlan(passes=2, width=8)
    monkeypatch.setattr(selecting, "learn_pool", partial(learning.learn_pool, plan=plan))


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
    import open_clip
    import torch
    from safetensors.torch import save_file

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
    from lightning.pytorch import Trainer

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
    import torchvision.datasets

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
