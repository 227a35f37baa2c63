"""Every bar that waits for a GPU, in one command of at most eight minutes: ``python -m benchmarks.gpu``.

    python -m benchmarks.gpu --out docs/results/gpu --rded CHECKOUT --cifar10 FOLDER

Each part writes a record, ``NAME.json``, as its benchmark does; ``gpu.json`` says how each went. A part that
cannot run, or for which no time is left, is skipped with its reason, and one that fails takes no other along.
``--quick`` is the same at tiny sizes, on whatever device there is: no figure of it means anything.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console

from benchmarks import clip_encoding, rded_crops, selection_scale, student_training
from benchmarks.gpu_parts import diffusion, two_ranks, whole_fit
from benchmarks.gpu_parts.skipping import Skipped
from benchmarks.measuring import Ratio, Result, hardware
from benchmarks.training_task import TrainingTask
from semdd_lightning.atomic import write_atomically
from semdd_lightning.generation import Rded

MINUTES = 8.0
ENCODED_A_SECOND = 5_000.0
SELECTION_SECONDS = 2.0


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Args:
        quick: Tiny sizes.
        rded: Checkout of RDED's code, for its own loops.
        cifar10: CIFAR-10 as ``train/<class>/`` and ``test/<class>/``; seeded images stand in for it.
    """

    quick: bool = False
    rded: Path | None = None
    cifar10: Path | None = None


@dataclass(frozen=True)
class Part:
    """One measurement.

    Args:
        seconds: What it takes at full size, generously: with less time left it is skipped.
        measure: Measures, or raises `Skipped`.
    """

    seconds: float
    measure: Callable[[Asked], Result]


def student(asked: Asked, name: str = "conv3", size: int = 32) -> Result:
    """Training by `semdd fit`, by the bare loop, and by RDED's own where it is at hand."""
    with tempfile.TemporaryDirectory() as root:
        task = TrainingTask(Path(root), name, size)
        if asked.quick:
            task = TrainingTask(Path(root), "conv3", 8, 12, 2, 1, 3, num_classes=3, batch_size=5)
        return student_training.measure(task, 1 if asked.quick else 3, asked.rded)


def student_resnet18(asked: Asked) -> Result:
    """The same with ResNet-18 at 224 px."""
    return student(asked, "resnet18", 224)


def captured(asked: Asked) -> Result:
    """Training with its steps captured in a graph, or compiled."""
    msg = "no training of this package captures or compiles its steps yet"
    raise Skipped(msg)


def encoding(asked: Asked) -> Result:
    """JPEG photographs through ViT-B/32."""
    if asked.quick:
        return clip_encoding.measure(images=2, batch_size=2, rounds=1, layers=1)
    found = clip_encoding.measure(images=1_024, batch_size=256, precision="bf16", rounds=3)
    rate = found.figures["photographs, embed_pool, images/s"]
    bar = Ratio("JPEG photographs per second over 5,000", rate / ENCODED_A_SECOND, 1.0)
    return replace(found, ratios=[*found.ratios, bar])


def selection(asked: Asked) -> Result:
    """A choice from 1.28 million vectors of 512 numbers, which works on the CPU beside the GPU."""
    if asked.quick:
        return selection_scale.measure(4, 8, 8, ipc=2, rounds=1)
    found = selection_scale.measure(rounds=2)
    seconds = median(found.seconds["selection"])
    return replace(
        found, ratios=[*found.ratios, Ratio("2 s over selection", SELECTION_SECONDS / seconds, 1.0)]
    )


def crops(asked: Asked) -> Result:
    """RDED's crops, scored and put together."""
    if asked.quick:
        return rded_crops.quick()
    with tempfile.TemporaryDirectory() as root:
        task = TrainingTask(Path(root), num_images=600, num_classes=2).write()
        return rded_crops.measure(task, Rded("unused"), 50, rounds=3, rded=asked.rded)


PARTS: Mapping[str, Part] = {
    "student_training_conv3": Part(45, student),
    "student_training_resnet18_224": Part(75, student_resnet18),
    "student_training_captured": Part(0, captured),
    "fit": Part(50, lambda asked: whole_fit.measure(quick=asked.quick, cifar10=asked.cifar10)),
    "clip_encoding": Part(75, encoding),
    "diffusion": Part(55, lambda asked: diffusion.measure(quick=asked.quick)),
    "rded_crops": Part(40, crops),
    "two_ranks": Part(40, lambda asked: two_ranks.measure(quick=asked.quick)),
    "selection_scale": Part(90, selection),
}
"""Every part by the name of its record, dear ones first."""


def main(arguments: list[str] | None = None) -> int:
    """Run all parts, or some; 1 if one failed.

    Args:
        arguments: Words of the command line; those of this process by default.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=f"which to run (default all): {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, on any device")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="time in all (default 8)")
    parser.add_argument("--rded", type=Path, help="checkout of RDED's code")
    parser.add_argument("--cifar10", type=Path, help="folder with train/<class>/ and test/<class>/")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder of the records")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"expected some of {', '.join(PARTS)}, found {', '.join(unknown)}")
    if not (options.quick or torch.cuda.is_available()):
        parser.error("expected a GPU, found none; --quick runs the same at tiny sizes on the CPU")
    chosen = {name: PARTS[name] for name in options.parts or PARTS}
    asked = Asked(options.quick, options.rded, options.cifar10)
    outcomes = run_parts(chosen, asked, 60 * options.minutes, options.out)
    return int(any(outcome.startswith("failed") for outcome in outcomes.values()))


def run_parts(parts: Mapping[str, Part], asked: Asked, seconds: float, out: Path) -> dict[str, str]:
    """Run parts one after the other, and give how each went in words.

    Args:
        parts: By the names of their records.
        asked: Passed on.
        seconds: Time in all.
        out: Folder of the records.
    """
    console, started, outcomes = Console(), time.monotonic(), dict[str, str]()
    for name, part in parts.items():
        left, begun = seconds - (time.monotonic() - started), time.monotonic()
        try:
            if left < (0 if asked.quick else part.seconds):
                msg = f"it takes up to {part.seconds:.0f} s, and {max(left, 0):.0f} s were left"
                raise Skipped(msg)
            part.measure(asked).publish(out / f"{name}.json")
            outcomes[name] = f"measured in {time.monotonic() - begun:.1f} s"
        except Skipped as reason:
            outcomes[name] = f"skipped: {reason}"
        except Exception as error:  # one part takes no other along
            console.print(traceback.format_exc(), markup=False)
            outcomes[name] = f"failed: {type(error).__name__}: {error}"
        console.print(f"{name}: {outcomes[name]}", markup=False)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _write(out, outcomes, time.monotonic() - started)  # after each: a job may be ended
    return outcomes


def _write(out: Path, outcomes: dict[str, str], seconds: float) -> None:
    record: dict[str, Any] = {"hardware": hardware(), "seconds": round(seconds, 1), "parts": outcomes}
    write_atomically(out / "gpu.json", (json.dumps(record, indent=2) + "\n").encode())


if __name__ == "__main__":
    raise SystemExit(main())
