"""A classifier that looks at a pool beside CLIP: its description, and what it says of the images."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.storage import evaluation_view
from semdd_lightning.errors import TeacherError
from semdd_lightning.given import cache_root
from semdd_lightning.pools import Pool
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.prior.cache import FORMAT, CachedTensor, describe_folder
from semdd_lightning.progress import image_progress, map_ahead
from semdd_lightning.records import content_key
from semdd_lightning.selection import ClassifierOutputs

_BATCH = 64  # images; part of the key, as it moves the last bits
_WORTH_A_BAR = 200  # images
_MOST_WORKERS = 32  # a GPU takes what some twenty cores decode


@dataclass(frozen=True)
class ClassifierContext:
    """What a classifier may need to know of the data.

    Attributes:
        registry: the classes in the order its logits must have.
        image_size: pixels per side of the images that it will see.
        prior: the first CLIP model that scored the pool, if there was one.
    """

    registry: ClassRegistry
    image_size: int
    prior: OpenClipPrior | None


class Classifier(ABC):
    """Describes a network that tells the classes apart; cheap until it is built.

    Where a manifest shall describe it, it is a frozen dataclass. Every teacher is one.
    """

    @abstractmethod
    def build(self, context: ClassifierContext) -> nn.Module:
        """A network from images in [0, 1] (B, 3, H, W) to logits (B, C) in the registry's order.

        Raises:
            TeacherError: if there is no such network or it does not fit the classes.
        """

    def build_whole(self, context: ClassifierContext) -> nn.Module:
        """The same, with a logit for every further class that it knows, behind those of the registry.

        A selection asks for these: an image that looks like a class beyond the pool's does not show its own,
        and of few classes alone most images have a probability of 1.
        """
        return self.build(context)


def build_apart(build: Callable[[ClassifierContext], nn.Module], context: ClassifierContext) -> nn.Module:
    """Build a network without moving the random numbers that a student's dropout draws.

    With them moved, a student would learn otherwise beside a teacher than from stored labels.
    """
    with torch.random.fork_rng(devices=[]):
        return build(context)


class FrozenClassifier:
    """A built classifier or teacher that only answers.

    It is no ``nn.Module`` on purpose: what holds it neither switches it to training mode, nor saves it,
    nor hands its parameters to an optimiser.

    Args:
        network: from images in [0, 1] to logits.
        device: where it labels.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        # as of students: convolutions run faster, and no number changes but in its last bits
        placed = network.to(device).to(memory_format=torch.channels_last)
        self.network = placed.eval().requires_grad_(requires_grad=False)
        self.device = device

    def use_batch_statistics(self) -> None:
        """Let BatchNorm take the statistics of each batch, as in training; its running ones stay."""
        for layer in self.network.modules():
            if isinstance(layer, _BatchNorm):
                layer.train()
                layer.momentum = 0.0

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images in [0, 1], (B, 3, H, W).

        In the network's own precision, whatever the student trains in: stored labels know no student.
        """
        with torch.autocast(self.device.type, enabled=False):
            logits: Tensor = self.network(images.to(self.device).float())
        return logits


class Classified(NamedTuple):
    """What a classifier said of a pool.

    Attributes:
        outputs: of every image, in path order.
        key: key in the cache: network, images and their classes.
    """

    outputs: ClassifierOutputs
    key: str


class PoolClassifier:
    """A built classifier; every process that asks it about the same images gets the same answer.

    Probabilities are taken over all classes that the network knows, those beyond the pool's included: of
    torchvision's ResNet-50 over the 1000 of ImageNet, as DGS (arXiv 2507.03331) takes them. Images are seen
    as in evaluation: the shorter side resized to 256 where the network takes 224, the centre cut out.

    Args:
        classifier: its description.
        context: what it may need to know.
        device: where it runs.
        cache_dir: root of the cache (default: SEMDD_CACHE or the user's cache folder).
        show: whether to show progress on a terminal.

    Raises:
        TeacherError: if there is no such network or it does not fit the classes.
    """

    def __init__(
        self,
        classifier: Classifier,
        context: ClassifierContext,
        device: torch.device | str = "cpu",
        cache_dir: Path | None = None,
        *,
        show: bool = True,
    ) -> None:
        network = build_apart(classifier.build_whole, context)
        self._num_classes = len(context.registry)
        # the largest side that a part of the network says it resizes images to
        sizes = [getattr(module, "image_size", None) for module in network.modules()]
        self._input_size = max((s for s in sizes if isinstance(s, int)), default=context.image_size)
        self._content = _content(network)
        self._frozen = FrozenClassifier(network, torch.device(device))
        self._cache_dir, self._show = cache_dir, show

    def __call__(self, images: Pool) -> Classified:
        """Read what it says of a pool from the cache, or look at every image.

        Raises:
            TeacherError: if it returns too few logits, or values that are not finite.
            PoolError: if an image cannot be read any more.
            DiskError: if the cache cannot be written.
        """
        about = {"network": self._content, "input_size": self._input_size, "batch_size": _BATCH}
        file, describe = pool_table("classified/outputs", images, about, 5, self._cache_dir)
        content = file.read()
        if content is None:
            describe()
            content = self._look_at(images), {}
            file.write(content[0])
        own, own_rest, largest, largest_rest, predicted = content[0].double().unbind(dim=1)
        outputs = ClassifierOutputs(own + own_rest, largest + largest_rest, predicted.long())
        return Classified(outputs, file.key)

    def _look_at(self, images: Pool) -> Tensor:
        """A float32 matrix (N, 5), as the cache holds: both probabilities as sums of two columns, class."""
        parts = []
        labels = torch.split(torch.from_numpy(images.labels), _BATCH)
        worth_it = self._show and len(images) > _WORTH_A_BAR
        with image_progress("Classifying images", len(images), show=worth_it) as advance:
            for pixels, of_batch in zip(self._batches(images), labels, strict=True):
                probabilities = self._probabilities(pixels)
                own, best = probabilities.gather(1, of_batch[:, None])[:, 0], probabilities.max(dim=1)
                columns = [*_halves(own), *_halves(best.values), best.indices.float()]
                parts.append(torch.stack(columns, dim=1))
                advance(len(pixels))
        return torch.cat(parts)

    def _batches(self, images: Pool) -> Iterator[Tensor]:
        def view(row: int) -> Tensor:
            return evaluation_view(images.image(row), self._input_size)

        workers = min(_MOST_WORKERS, os.cpu_count() or 1)
        views = map_ahead(view, range(len(images)), workers=workers, ahead=2 * _BATCH)
        while batch := list(islice(views, _BATCH)):
            yield torch.stack(batch)

    def _probabilities(self, pixels: Tensor) -> Tensor:
        """Softmax over all logits, float64 on the CPU."""
        logits = self._frozen(pixels.to(self._frozen.device).float() / 255)
        finite = bool(logits.isfinite().all())
        if logits.ndim != 2 or logits.shape[1] < self._num_classes or not finite:
            msg = (
                f"Expected a classifier to return finite logits of at least {self._num_classes} classes, "
                f"found shape {tuple(logits.shape)}, {'finite' if finite else 'not finite'}; take another or "
                "correct its class list."
            )
            raise TeacherError(msg)
        return torch.softmax(logits.cpu().double(), dim=1)


def pool_table(
    name: str, images: Pool, about: Mapping[str, Any], columns: int, cache_dir: Path | None
) -> tuple[CachedTensor, Callable[[], None]]:
    """Where the cache keeps a few numbers on each image of a pool.

    Args:
        name: folder and file in the cache.
        images: the pool.
        about: what the numbers depend on beside the images and their classes, in plain values.
        columns: numbers on each image.
        cache_dir: root of the cache (default: SEMDD_CACHE or the user's cache folder).

    Returns:
        The file, and what makes its folder and says in plain words what the key was made of.
    """
    of_pool = {"pool": images.fingerprint, "labels": images.labels_digest}
    identity = {"format": FORMAT, **about, **of_pool}
    key, (kind, file) = content_key(identity), name.split("/")
    folder = cache_root(cache_dir) / kind / key
    table = CachedTensor(folder / f"{file}.safetensors", key, rows=len(images), columns=columns)
    return table, partial(describe_folder, folder, identity)


def usual_side(images: Pool) -> int:
    """The shorter side, in pixels, of the image in the middle: what a classifier without a size expects."""
    return int(np.median(np.minimum(images.traits.widths, images.traits.heights)))


def _content(network: nn.Module) -> str:
    """SHA-256 (hex) of what tells a network from another: kinds of layers, sizes, weights and constants."""
    digest = hashlib.sha256()
    for name, module in network.named_modules():
        digest.update(f"{name} {type(module).__name__} {getattr(module, 'image_size', '')}\n".encode())
    for name, value in sorted([*network.named_parameters(), *network.named_buffers()]):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _halves(values: Tensor) -> tuple[Tensor, Tensor]:
    """Doubles as a sum of two floats."""
    return values.float(), (values - values.float().double()).float()
