"""What the training benchmarks train: a folder of images and a teacher that knows them, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.data import Augmentation, FolderImages
from semdd_lightning.data.classifier import ClassifierContext
from semdd_lightning.models import NormalizedNetwork, build_network
from semdd_lightning.training import CheckpointTeacher
from semdd_lightning.training.checkpoint_card import checkpoint_card

TEMPERATURE = 20.0  # RDED's, with CutMix
CONFIDENT = 10.0  # the teacher's logit of an image's own class


@dataclass(frozen=True)
class TrainingTask:
    """One distillation by RDED's protocol.

    Args:
        root: Where its files lie.
        student: Short name of the student, and of the teacher.
        image_size: Pixels a side.
        num_images: Images in all.
        passes: Passes that are timed.
        skipped: Passes before that are not.
        passes_per_epoch: Passes of a Lightning epoch.
        num_classes: Classes.
        batch_size: Images a step.
    """

    root: Path
    student: str = "conv3"
    image_size: int = 32
    num_images: int = 100
    passes: int = 18
    skipped: int = 2
    passes_per_epoch: int = 10
    num_classes: int = 10
    batch_size: int = 50

    @property
    def images(self) -> Path:
        """Folder of class folders."""
        return self.root / "images"

    @property
    def teacher(self) -> CheckpointTeacher:
        """The teacher as the product reads it."""
        return CheckpointTeacher(self.root / "teacher.ckpt")

    @property
    def patches(self) -> int:
        """RDED's factor: into how many columns and rows an image is cut."""
        return 1 if self.image_size <= 64 else 2

    @property
    def augmentation(self) -> Augmentation:
        """RDED's, at this size."""
        return Augmentation(crop_scale=(1 / self.patches, 1.0), shuffle_patches=self.patches)

    def teacher_network(self) -> NormalizedNetwork:
        """The teacher as a network that takes images in [0, 1]."""
        context = ClassifierContext(FolderImages(self.images).registry(), self.image_size, None)
        return self.teacher.build(context)

    def new_student(self) -> NormalizedNetwork:
        """A student before training, equal at each call."""
        return _built(self.student, self.num_classes, self.image_size)

    def write(self) -> TrainingTask:
        """Write images and teacher."""
        files = _write_images(self.images, self.num_images, self.num_classes, self.image_size)
        pixels = torch.stack([TF.pil_to_tensor(Image.open(file)) for file in files]).float() / 255
        labels = torch.arange(self.num_images) % self.num_classes
        network = self.new_student().eval()
        _teach(network, pixels, labels)
        state = {f"network.{name}": value for name, value in network.state_dict().items()}
        registry = FolderImages(self.images).registry()
        card = checkpoint_card(network, self.student, self.num_classes, registry)
        torch.save({"state_dict": state, "semdd": card}, self.teacher.path)
        return self

    def write_config(self, clock: str) -> Path:
        """Write the config that `semdd fit` trains by.

        Args:
            clock: Class path of the callback that times it; it is given ``skipped``.
        """
        augmentation = {
            "crop_scale": list(self.augmentation.crop_scale),
            "shuffle_patches": self.augmentation.shuffle_patches,
        }
        data = {
            "train": {"class_path": "FolderImages", "init_args": {"path": str(self.images)}},
            "num_classes": self.num_classes,
            "image_size": self.image_size,
            "batch_size": self.batch_size,
            "passes": self.skipped + self.passes,
            "passes_per_epoch": self.passes_per_epoch,
            "augmentation": augmentation,
        }
        path = str(self.teacher.path)
        model = {
            "student": self.student,
            "teacher": {"class_path": "CheckpointTeacher", "init_args": {"path": path}},
            "temperature": TEMPERATURE,
            "schedule": {"class_path": "CosineLR", "init_args": {"stretch": 2.0}},
            "statistics_twice": True,
        }
        config = {
            "data": {"class_path": "ImageDataModule", "init_args": data},
            "model": {"class_path": "DistillationModule", "init_args": model},
            "trainer": {
                "accelerator": "auto",
                "devices": 1,
                "check_val_every_n_epoch": None,
                "enable_progress_bar": False,
                "callbacks": [{"class_path": clock, "init_args": {"skipped": self.skipped}}],
            },
            "run": {"root": str(self.root / "runs"), "validate_at_end": True},
        }
        file = self.root / "fit.yaml"
        file.write_text(yaml.safe_dump(config))
        return file


def _built(name: str, num_classes: int, image_size: int) -> NormalizedNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NormalizedNetwork(build_network(name, num_classes, image_size), image_size)


def _write_images(root: Path, count: int, num_classes: int, image_size: int) -> list[Path]:
    """Smooth noise as JPEG files, in the order of their numbers; image i is of class i modulo the classes."""
    generator = np.random.default_rng(0)
    files = []
    for index in range(count):
        file = root / f"{index % num_classes:05d}" / f"{index:05d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((image_size, image_size), Image.Resampling.BICUBIC).save(file, quality=95)
        files.append(file)
    return files


@torch.no_grad()
def _teach(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Fit an untrained network's last layer to the images: training with a teacher at chance is refused.

    Args:
        network: In evaluation mode.
        images: Images in [0, 1], (N, 3, S, S).
        labels: Their classes, (N,).
    """
    head = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for part in torch.split(images, 50):
        network(part)
    hook.remove()
    features = torch.cat(seen).double()  # (N, F)
    features = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    wanted = CONFIDENT * nn.functional.one_hot(labels, head.out_features).double()
    fitted = torch.linalg.lstsq(features, wanted, driver="gelsd").solution  # (F + 1, C)
    head.weight.copy_(fitted[:-1].T)
    head.bias.copy_(fitted[-1])
