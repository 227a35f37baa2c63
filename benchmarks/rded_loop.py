"""RDED's own training loop, from a checkout of its code beside this repository and no part of it.

    git clone https://github.com/LINs-lab/RDED rded
    python -m benchmarks.student_training --rded rded

What its ``validation/main.py`` builds in one function (optimiser, cosine, transforms, loader) is built here
with its own classes, and its ``train`` is called for each epoch; student, teacher and images are ours. Its
code moves everything to a GPU by ``.cuda()``, which does nothing here where there is none.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from torchvision import transforms

from benchmarks.measuring import now
from benchmarks.training_task import TEMPERATURE, TrainingTask
from semdd_lightning.models import IMAGENET_MEAN, IMAGENET_STD

WORKERS = 4  # its default


def rded_seconds(task: TrainingTask, checkout: Path, workers: int = WORKERS) -> float:
    """Train by its loop, and give the seconds of the passes that count.

    Args:
        task: What is trained.
        checkout: Folder of RDED's code.
        workers: Processes that load its images; they start anew for each epoch.
    """
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    student = nn.DataParallel(task.new_student().network.to(device))
    teacher = nn.DataParallel(task.teacher_network().network.to(device).eval().requires_grad_(False))
    epochs, started = task.skipped + task.passes, 0.0
    code = rded_code(checkout, "validation.main", "validation.utils")
    with code as (main, utils), contextlib.redirect_stdout(io.StringIO()):
        optimizer = torch.optim.AdamW(utils.get_parameters(student), lr=1e-3, weight_decay=0.01)
        schedule = LambdaLR(optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / epochs / 2)))
        loader: DataLoader[object] = DataLoader(
            _images(task, utils),
            task.batch_size,
            shuffle=True,
            num_workers=workers,
            pin_memory=gpu,
            worker_init_fn=main.set_worker_sharing_strategy,
        )
        settings = SimpleNamespace(
            optimizer=optimizer, mix_type="cutmix", cutmix=1.0, temperature=TEMPERATURE, re_accum_steps=1
        )
        for epoch in range(epochs):
            if epoch == task.skipped:
                started = now()
            main.train(epoch, loader, teacher, student, settings)
            schedule.step()
        return now() - started


def _images(task: TrainingTask, utils: ModuleType) -> torch.utils.data.Dataset[object]:
    """Decoded once and kept, as there; transformed one by one."""
    transform = transforms.Compose(
        [
            transforms.ToTensor(),
            utils.ShufflePatches(task.patches),
            transforms.RandomResizedCrop(task.image_size, (1 / task.patches, 1.0), antialias=True),
            transforms.RandomHorizontalFlip(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    images: torch.utils.data.Dataset[object] = utils.ImageFolder(
        classes=range(task.num_classes),
        ipc=task.num_images // task.num_classes,
        mem=True,
        shuffle=True,
        root=str(task.images),
        transform=transform,
    )
    return images


@contextlib.contextmanager
def rded_code(checkout: Path, *names: str) -> Iterator[list[ModuleType]]:
    """Modules of its code, which can be imported meanwhile.

    Args:
        checkout: Folder of the code.
        names: Names of the modules.
    """
    gpu = torch.cuda.is_available()
    tops = {"argument", *(name.partition(".")[0] for name in names)}
    for loaded in [name for name in sys.modules if name.partition(".")[0] in tops]:
        del sys.modules[loaded]  # of another checkout
    without_a_gpu = contextlib.nullcontext() if gpu else patch.object(torch.Tensor, "cuda", lambda x: x)
    places = patch.object(sys, "path", [str(checkout.resolve()), *sys.path])
    alone = patch.object(sys, "argv", ["main.py"])  # parsed by its `argument`, which also makes folders
    with places, alone, without_a_gpu, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        with tempfile.TemporaryDirectory() as aside, contextlib.chdir(aside):
            modules = [import_module(name) for name in names]
        yield modules
