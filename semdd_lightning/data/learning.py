"""What a small student learns early of a pool: a short training on all its images, through the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semdd_lightning.atomic import remove_stale_files
from semdd_lightning.data.augmentation import Augmentation, augment, draw_images
from semdd_lightning.data.classifier import pool_table
from semdd_lightning.data.storage import decode_all, square
from semdd_lightning.errors import CacheError, DamageError
from semdd_lightning.locks import Lock
from semdd_lightning.models import ConvNet, NormalizedNetwork
from semdd_lightning.names import get_logger
from semdd_lightning.pools import Pool
from semdd_lightning.pools.listing import LabelledImages
from semdd_lightning.progress import image_progress
from semdd_lightning.tensor_blocks import read_tensors, write_tensors

logger = get_logger(__name__)

_KEEP_EVERY_S = 60.0  # what a kill loses at most, and a pass
_LONGEST_WAIT = 24 * 3600.0  # seconds, for another process that learns
_VIEW = Augmentation(pad_crop=4, horizontal_flip=0.5, mix="none")  # moved and mirrored, as for CIFAR


@dataclass(frozen=True)
class LearningPlan:
    """How a student learns from a pool; what is found depends on nothing else but the images.

    Args:
        passes: visits to every image, at least 2; the first one counts for nothing.
        image_size: pixels per side that images are brought to.
        width: channels of the student, a ConvNet-3.
        batch_size: images per step.
        learning_rate: highest of a one-cycle schedule.
        seed: of weights, order and augmentation.
    """

    passes: int = 40
    image_size: int = 32
    width: int = 64
    batch_size: int = 64
    learning_rate: float = 0.05
    seed: int = 0


class Learned(NamedTuple):
    """What a student learned of a pool.

    Attributes:
        log_posteriors: of every image the log posterior of its class, mean over the passes, (N,) float64.
        key: key in the cache: plan, images and their classes.
    """

    log_posteriors: Tensor
    key: str


def learn_pool(
    images: Pool,
    plan: LearningPlan = LearningPlan(),
    *,
    device: torch.device | str = "cpu",
    cache_dir: Path | None = None,
    show: bool = True,
) -> Learned:
    """Train a small student on a whole pool, and keep how soon it believed in each image's class.

    Of several processes on one cache one learns, the others wait and read what it found. What a killed one
    had learned is gone on with, from the last pass that was kept, to the same result.

    Args:
        images: the pool.
        plan: how it learns.
        device: where it learns.
        cache_dir: root of the cache (default: SEMDD_CACHE or the user's cache folder).
        show: whether to show progress on a terminal, and to say whom it waits for.

    Raises:
        DataError: if an image cannot be read any more.
        CacheError: if another process learns for a day.
        DiskError: if the cache cannot be written.
    """
    file, describe = pool_table("learned/log_posteriors", images, {"plan": asdict(plan)}, 1, cache_dir)
    content = file.read()
    if content is None:
        describe()
        lock = Lock(file.path.with_name("learning.lock"))
        if show and not lock.take():
            logger.info("Waiting for %s, which learns from the images of %s.", lock.holder, images.root)
        if not lock.wait(_LONGEST_WAIT):
            msg = (
                f"Expected {lock.holder} to have learned from {images.root} within a day, found it still "
                f"at it; end it, or give another cache folder."
            )
            raise CacheError(msg)
        with lock:
            remove_stale_files(file.path.parent)
            content = file.read()  # of the process that held the lock before
            if content is None:
                half_done = file.path.with_name("learning.safetensors")
                found = _learn(images, plan, torch.device(device), half_done, file.key, show=show)
                file.write(found[:, None])
                half_done.unlink(missing_ok=True)
                content = found[:, None], {}
    return Learned(content[0][:, 0].double(), file.key)


def _learn(
    images: Pool, plan: LearningPlan, device: torch.device, half_done: Path, key: str, *, show: bool
) -> Tensor:
    """Mean log posteriors (N,), float32 on the CPU."""
    if show:
        logger.info(
            "A small student learns from %d images for %d passes, once; the sampler two_stage does without",
            len(images),
            plan.passes,
        )
    labelled = LabelledImages(images.listing(), images.registry)
    pixels = decode_all(labelled, lambda image: square(image, plan.image_size)).to(device)
    labels = torch.from_numpy(images.labels).to(device)
    with torch.random.fork_rng(devices=[]):  # a student's weights draw from the same numbers
        torch.manual_seed(plan.seed)
        network = ConvNet(len(images.registry), plan.image_size, depth=3, width=plan.width)
        student = NormalizedNetwork(network, plan.image_size).to(device).train()
    optimizer = torch.optim.SGD(student.parameters(), plan.learning_rate, momentum=0.9, weight_decay=5e-4)
    of_pass = -(-len(images) // plan.batch_size)
    steps = plan.passes * of_pass
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.learning_rate, total_steps=steps + 1)
    total = torch.zeros(len(images), device=device)
    tensors = {"total": total}  # all that changes, in place
    tensors |= {f"student.{name}": tensor for name, tensor in student.state_dict().items()}
    for number, parameter in enumerate(student.parameters()):  # as before a step: all is there to be kept
        tensors[f"momentum.{number}"] = momentum = torch.zeros_like(parameter)
        optimizer.state[parameter]["momentum_buffer"] = momentum
    first, kept = _taken_up(half_done, key, tensors), monotonic()
    if first > 0:
        done = first * of_pass
        schedule.load_state_dict({**schedule.state_dict(), "last_epoch": done - 1, "_step_count": done + 1})
        schedule.step()  # whose rates are a function of the step alone
    description, visits = "Learning from the pool", plan.passes * len(images)
    alike = torch.backends.cudnn.flags(deterministic=True, benchmark=False)  # a GPU learns the same again
    with alike, image_progress(description, visits, after=2, show=show) as advance, torch.enable_grad():
        advance(first * len(images))
        for number in range(first, plan.passes):
            for rows, views in _views(pixels, plan, number):
                log_posteriors = _step(student, optimizer, views, labels[rows])
                schedule.step()
                if number > 0:
                    total[rows] += log_posteriors
                advance(len(rows))
            if monotonic() - kept > _KEEP_EVERY_S:
                whole = {name: tensor.cpu() for name, tensor in tensors.items()}
                write_tensors(half_done, key, whole, {"passes": float(number + 1)})
                kept = monotonic()
    return total.cpu() / (plan.passes - 1)


def _taken_up(file: Path, key: str, tensors: dict[str, Tensor]) -> int:
    """The passes that were kept, whose tensors these are then; 0 where there is nothing to be trusted."""
    try:
        kept, own = read_tensors(file, key)
    except DamageError:
        return 0
    if {name: t.shape for name, t in kept.items()} != {name: t.shape for name, t in tensors.items()}:
        return 0
    for name, tensor in tensors.items():
        tensor.copy_(kept[name])
    return int(own.notes["passes"])


def _step(student: nn.Module, optimizer: torch.optim.Optimizer, views: Tensor, labels: Tensor) -> Tensor:
    """One step of training; log posteriors of the own classes as they were before it (B,)."""
    with torch.autocast(views.device.type, torch.bfloat16, enabled=_bfloat16_is_fast(views.device)):
        logits = student(views)
    loss = F.cross_entropy(logits.float(), labels, reduction="none")
    optimizer.zero_grad()
    loss.mean().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return -loss.detach()


def _bfloat16_is_fast(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _views(pixels: Tensor, plan: LearningPlan, number: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of augmented images of a pass: rows (B,) and images in [0, 1] (B, 3, S, S)."""
    generator = np.random.default_rng([plan.seed, number])
    order = torch.from_numpy(generator.permutation(len(pixels)))
    draws = draw_images(_VIEW, len(pixels), plan.image_size, generator)
    for rows in torch.tensor_split(order, -(-len(pixels) // plan.batch_size)):
        of_batch = type(draws)(*(values.to(pixels.device) for values in draws.rows(rows)))
        placed = rows.to(pixels.device)
        yield placed, augment(pixels[placed].float() / 255, of_batch, _VIEW)
