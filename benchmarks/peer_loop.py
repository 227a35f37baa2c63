"""Distillation as peers' code does it: decoded anew by worker processes that start with every epoch.

Written from the description of RDED's validation (arXiv 2312.03526), in the style of the field's scripts:
PIL images, per-image transforms, a DataLoader an epoch, the student's accuracy on each training batch by a
forward pass of its own.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.measuring import now
from benchmarks.training_task import TEMPERATURE, TrainingTask
from semdd_lightning.models import IMAGENET_MEAN, IMAGENET_STD
from semdd_lightning.training import parameter_groups

WORKERS = 4


def peer_seconds(task: TrainingTask) -> float:
    """Train, and give the seconds of the passes that count."""
    warnings.filterwarnings("ignore", "This DataLoader will create 4 worker processes")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    student = task.new_student().network.to(device)
    teacher = task.teacher_network().network.to(device).eval().requires_grad_(requires_grad=False)
    epochs = task.skipped + task.passes
    optimizer = torch.optim.AdamW(parameter_groups(student, "weights"), lr=1e-3, weight_decay=0.01)
    schedule = LambdaLR(optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / epochs / 2)))
    loader = DataLoader(
        DecodedImages(task.images, task),
        task.batch_size,
        shuffle=True,
        num_workers=WORKERS,
        pin_memory=torch.cuda.is_available(),
    )
    started = 0.0
    for epoch in range(epochs):
        if epoch == task.skipped:
            started = now()
        train_epoch(student, teacher, optimizer, loader, device)
        schedule.step()
    return now() - started


def train_epoch(
    student: nn.Module,
    teacher: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[tuple[Tensor, int]],
    device: torch.device,
) -> tuple[float, float]:
    """One epoch; gives mean loss and training accuracy."""
    divergence = nn.KLDivLoss(reduction="batchmean")
    losses, correct, seen = 0.0, 0.0, 0
    student.train()
    for loaded, labelled in loader:
        images, labels = loaded.to(device), labelled.to(device)
        with torch.no_grad():
            images = cutmix(images)
            predicted = student(images)
            soft = F.softmax(teacher(images) / TEMPERATURE, dim=1)
        loss = divergence(F.log_softmax(student(images) / TEMPERATURE, dim=1), soft)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += loss.item() * len(images)
        correct += (predicted.argmax(dim=1) == labels).float().sum().item()
        seen += len(images)
    return losses / seen, correct / seen


def cutmix(images: Tensor) -> Tensor:
    """Paste one box of a shuffled batch into a batch, (B, 3, S, S)."""
    size = images.shape[-1]
    ratio = np.random.beta(1.0, 1.0)
    half = int(size * np.sqrt(1 - ratio)) // 2
    row, column = np.random.randint(size, size=2)
    top, bottom = np.clip([row - half, row + half], 0, size)
    left, right = np.clip([column - half, column + half], 0, size)
    order = torch.randperm(len(images), device=images.device)
    images[:, :, top:bottom, left:right] = images[order, :, top:bottom, left:right]
    return images


class DecodedImages(Dataset[tuple[Tensor, int]]):
    """Images of class folders, opened and transformed one by one.

    Args:
        root: Folder of class folders.
        task: Says how they are augmented.
    """

    def __init__(self, root: Path, task: TrainingTask) -> None:
        folders = sorted(path for path in root.iterdir() if path.is_dir())
        self.files = [
            (file, label) for label, folder in enumerate(folders) for file in sorted(folder.iterdir())
        ]
        self.transform = transforms.Compose(
            [
                transforms.ToTensor(),
                ShufflePatches(task.patches),
                transforms.RandomResizedCrop(task.image_size, task.augmentation.crop_scale, antialias=True),
                transforms.RandomHorizontalFlip(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        file, label = self.files[index]
        with file.open("rb") as stream:
            image = Image.open(stream).convert("RGB")
        return self.transform(image), label


class ShufflePatches:
    """Shuffle the columns of patches of an image (3, S, S), then the rows.

    Args:
        factor: Columns and rows.
    """

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, image: Tensor) -> Tensor:
        """Another image with the same patches."""
        for axis in (2, 1):
            parts = image.chunk(self.factor, dim=axis)
            image = torch.cat([parts[place] for place in torch.randperm(self.factor).tolist()], dim=axis)
        return image
