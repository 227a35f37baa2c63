"""`semdd fit` of CIFAR-10 at ten images per class, from an empty cache to the tested student."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

from benchmarks.clip_encoding import write_model
from benchmarks.measuring import Result, now
from semdd_lightning.cli.main import main
from semdd_lightning.datasets import find_dataset

POOL, TEST, PASSES, IPC = 500, 1_000, 300, 10


def measure(*, quick: bool = False, cifar10: Path | None = None) -> Result:
    """Time the command: index, CLIP (ViT-B/32 of random weights), choice, training by hard labels, test.

    Args:
        quick: Four images per class, two passes, a shallow CLIP.
        cifar10: CIFAR-10 in class folders; seeded images stand in for it.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        if cifar10 is None:
            per_class = {"train": 4 if quick else POOL, "test": 2 if quick else TEST}
            images = _write_images(root / "cifar10", per_class)
        else:
            images = cifar10.absolute()
        model = write_model(root / "clip", layers=1) if quick else write_model(root / "clip")
        seconds = _seconds(root, images, model, 2 if quick else PASSES, 2 if quick else IPC)
    return Result(
        benchmark="gpu",
        settings={
            "command": "semdd fit",
            "images": "seeded" if cifar10 is None else "CIFAR-10",
            "ipc": 2 if quick else IPC,
            "passes": 2 if quick else PASSES,
        },
        ratios=[],
        seconds={"semdd fit": [seconds]},
        figures={"semdd fit, s": seconds},
    )


def _seconds(root: Path, images: Path, model: Path, passes: int, ipc: int) -> float:
    options = {
        "data": "PoolDataModule",
        "data.pool": "ClassFolders",
        "data.pool.init_args.path": images / "train",
        "data.pool.init_args.classes": "cifar10",
        "data.prior.model": model,
        "data.audit": "off",  # a CLIP of random weights knows no class
        "data.ipc": ipc,
        "data.num_classes": 10,
        "data.image_size": 32,
        "data.test": "FolderImages",
        "data.test.init_args.path": images / "test",
        "model": "ClassifierModule",
        "model.network": "conv3",
        "trainer.devices": 1,
        "run.validate_at_end": "false",
        "data.passes": passes,
        "trainer.enable_progress_bar": "false",
        "run.root": root / "runs",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    with (
        patch.dict(os.environ, {"SEMDD_CACHE": str(root / "cache")}),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        begun = now()
        status = main(["fit", "--config", "protocols/hard.yaml", *words])
        seconds = now() - begun
    if status:
        msg = f"Expected `semdd fit` to end with status 0, found {status}."
        raise RuntimeError(msg)
    return seconds


def _write_images(root: Path, per_class: dict[str, int]) -> Path:
    generator = np.random.default_rng(0)
    for split, count in per_class.items():
        for name in find_dataset("cifar10").names:
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
                coarse.resize((32, 32), Image.Resampling.BICUBIC).save(
                    folder / f"{number:04d}.jpg", quality=95
                )
    return root
