from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools import Pool

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
    def refuse(*_: object, **__: object) -> NoReturn:
        msg = "the network is blocked"
        raise OSError(msg)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMDD_CACHE", str(tmp_path / "default-cache"))


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


def write_pool(root: Path, num_images: int, names: tuple[str, ...] = ("cat", "dog")) -> Pool:
    paths: list[str] = []
    for i in range(num_images):
        path = root / names[i % len(names)] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        random_image(30 + i % 5, 40, seed=i).save(path)
        paths.append(path.relative_to(root).as_posix())
    paths.sort()
    return Pool(
        root=root,
        paths=tuple(paths),
        labels=np.array([names.index(p.split("/")[0]) for p in paths], dtype=np.int64),
        registry=ClassRegistry(names=names, folders=names),
        excluded=(),
        fingerprint=hashlib.sha256(repr((paths, num_images)).encode()).hexdigest(),
    )


@pytest.fixture
def make_pool(tmp_path: Path) -> Callable[..., Pool]:
    return lambda num_images, **options: write_pool(tmp_path / "pool", num_images, **options)


@pytest.fixture
def make_clip() -> Callable[..., Path]:
    return write_tiny_clip


@pytest.fixture
def make_image() -> Callable[[int, int, int], Image.Image]:
    return random_image
