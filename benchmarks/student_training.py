"""Student training against its limit, and against RDED's own loop.

    python -m benchmarks.student_training --student conv3 --rded CHECKOUT
    python -m benchmarks.student_training --student resnet18_modified
    python -m benchmarks.student_training --student resnet18 --size 224

RDED's protocol with a teacher that labels while training: batch 50, CutMix, KL divergence at temperature 20,
AdamW, statistics of BatchNorm counted twice. Ours is what `semdd fit` builds. The limit is a bare loop with
the same student, teacher and optimiser over batches in memory: no Lightning, no augmentation, one forward and
one backward pass of the student and one forward pass of the teacher a step, as ours. RDED's loop is its own
code, with as many loading processes as it has by default and with none; it makes one more forward pass of the
student. All of them keep freed memory, as `semdd fit` does on a CPU. Steps of a training under way are timed;
no setup counts.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.measuring import Ratio, Result, arguments, in_turns, now, paired
from benchmarks.rded_loop import WORKERS, rded_seconds
from benchmarks.timed_fit import our_seconds
from benchmarks.training_task import TEMPERATURE, TrainingTask
from semdd_lightning.data.classifier import FrozenClassifier
from semdd_lightning.freed_memory import keep_freed_memory
from semdd_lightning.training import parameter_groups, soft_label_loss

LIMIT_BARS = {32: 0.92, 224: 0.95}
RDED_LOOPS = {"RDED's own loop": WORKERS, "RDED's own loop, no workers": 0}
RDED_BAR = 2.5  # of the loop as it is by default, at 32 px


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = arguments("student_training", __doc__, "a small form of it")
    parser.add_argument("--student", default="conv3", help="short name of student and teacher")
    parser.add_argument("--size", type=int, default=32, help="pixels per side")
    parser.add_argument("--images", type=int, default=100, help="images in all, of 10 classes")
    parser.add_argument("--passes", type=int, default=18, help="passes that are timed")
    parser.add_argument("--skipped", type=int, default=2, help="passes before them")
    parser.add_argument("--rded", type=Path, help="checkout of RDED's code (default: its loop is left out)")
    options = parser.parse_args()
    result = quick() if options.quick else _measure_as(options)
    result.publish(options.json)


def quick() -> Result:
    """Six passes over 100 images of 16 px."""
    with tempfile.TemporaryDirectory() as root:
        task = TrainingTask(Path(root), image_size=16, passes=5, skipped=1, passes_per_epoch=6)
        return measure(task, rounds=3)


def measure(task: TrainingTask, rounds: int = 5, rded: Path | None = None) -> Result:
    """Time all contestants in turns.

    Args:
        task: What is trained.
        rounds: Rounds that count.
        rded: Checkout of RDED's code, whose loop is among them then.
    """
    keep_freed_memory()
    task.write()
    contestants = {"ours": partial(our_seconds, task), "bare loop": partial(bare_seconds, task)}
    if rded is not None:
        contestants |= {
            name: partial(rded_seconds, task, rded, workers) for name, workers in RDED_LOOPS.items()
        }
    seconds = in_turns(contestants, rounds, warmups=0)  # each skips its own first passes
    share = paired(seconds["bare loop"], seconds["ours"])
    ratios = [Ratio("limit / ours", share, LIMIT_BARS.get(task.image_size))]
    for name in (name for name in RDED_LOOPS if name in seconds):
        bar = RDED_BAR if RDED_LOOPS[name] and task.image_size == 32 else None
        ratios.append(Ratio(f"{name} / ours", paired(seconds[name], seconds["ours"]), bar))
    steps = task.passes * math.ceil(task.num_images / task.batch_size)
    settings = {name: value for name, value in asdict(task).items() if name != "root"}
    return Result("student_training", settings | {"timed_steps": steps}, ratios, seconds)


def bare_seconds(task: TrainingTask) -> float:
    """Train on batches that lie in memory, and give the seconds of the passes that count."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    teacher = FrozenClassifier(task.teacher_network(), device)
    generator = torch.Generator().manual_seed(0)
    shape = (task.num_images, 3, task.image_size, task.image_size)
    batches = torch.split(torch.rand(shape, generator=generator).to(device), task.batch_size)
    student = task.new_student().to(device).to(memory_format=torch.channels_last)
    training = bare_training(student, teacher, [batches] * (task.skipped + task.passes))
    return seconds_after(task.skipped, training)


def seconds_after(skipped: int, training: Iterator[None]) -> float:
    """Train to the end, and give the seconds of the passes that count.

    Args:
        skipped: Passes before the clock starts, at least 1.
        training: Does a pass at each turn.
    """
    for _ in range(skipped):
        next(training)
    started = now()
    for _ in training:
        pass
    return now() - started


def bare_training(
    student: torch.nn.Module, teacher: FrozenClassifier, passes: Sequence[Sequence[Tensor]]
) -> Iterator[None]:
    """Distil and nothing else, a pass at each turn.

    Args:
        student: What is trained.
        teacher: What it learns from.
        passes: For each pass its batches, images in [0, 1], (B, 3, S, S) each.
    """
    optimizer, schedule = optimizer_and_schedule(parameter_groups(student, "weights"), len(passes))
    student.train()
    for batches in passes:
        for images in batches:
            loss = soft_label_loss(student(images), teacher(images), TEMPERATURE)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
        yield


def optimizer_and_schedule(groups: list[dict[str, Any]], passes: int) -> tuple[AdamW, LambdaLR]:
    """RDED's: AdamW, and half a cosine over all passes.

    Args:
        groups: Groups of parameters.
        passes: How often the schedule steps.
    """
    optimizer = AdamW(groups, lr=1e-3, weight_decay=0.01, fused=True)
    return optimizer, LambdaLR(optimizer, lambda done: 0.5 * (1 + math.cos(math.pi * done / passes / 2)))


def _measure_as(options: argparse.Namespace) -> Result:
    with tempfile.TemporaryDirectory() as root:
        task = TrainingTask(
            Path(root),
            options.student,
            options.size,
            options.images,
            options.passes,
            options.skipped,
            math.gcd(options.passes + options.skipped, 10),
        )
        return measure(task, options.rounds, options.rded)


if __name__ == "__main__":
    main()
