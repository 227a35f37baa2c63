"""Contestants timed in turns, and a result that names its machine: what the speed benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from semdd_lightning import __version__
from semdd_lightning.atomic import write_atomically

LIBRARIES = ("torch", "torchvision", "lightning", "open_clip_torch", "pillow", "numpy")
ROUNDS = 5


@dataclass(frozen=True)
class Ratio:
    """What one path reaches of a limit or a peer, measured in the same run; larger is better.

    Args:
        name: What is compared with what.
        value: Limit over ours for a share of a limit, peer over ours for a speed-up.
        bar: What it has to be at full size on a CPU; None where nothing was promised.
    """

    name: str
    value: float
    bar: float | None = None


@dataclass(frozen=True)
class Result:
    """One benchmark's figures.

    Args:
        benchmark: Name of the module.
        settings: Sizes that were measured.
        ratios: What came out.
        seconds: Time of each contestant in each round.
        figures: Other figures by name, with the unit in it, such as ``peak MiB``.
    """

    benchmark: str
    settings: Mapping[str, Any]
    ratios: Sequence[Ratio]
    seconds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)

    def publish(self, path: Path) -> None:
        """Show it and write it."""
        self.show()
        self.write(path)

    def show(self) -> None:
        """Print times and ratios as tables."""
        console = Console()
        if self.seconds:
            times = Table("contestant", "median, s", "rounds, s", title=f"{self.benchmark}, {hardware()}")
            for name, seconds in self.seconds.items():
                times.add_row(name, f"{median(seconds):.3f}", " ".join(f"{one:.3f}" for one in seconds))
            console.print(times)
        for name, value in self.figures.items():
            console.print(f"{name}: {value:,.1f}")
        if not self.ratios:
            return
        table = Table("ratio", "measured", "bar", "met", title="Larger is better")
        for ratio in self.ratios:
            bar, met = "", ""
            if ratio.bar is not None:
                bar, met = f"{ratio.bar:.2f}", "yes" if ratio.value >= ratio.bar else "no"
            table.add_row(ratio.name, f"{ratio.value:.2f}", bar, met)
        console.print(table)

    def write(self, path: Path) -> None:
        """Write it as JSON with hardware and versions."""
        record = asdict(self) | {
            "hardware": hardware(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "versions": {"semdd-lightning": __version__} | {name: version(name) for name in LIBRARIES},
        }
        write_atomically(path, (json.dumps(record, indent=2) + "\n").encode())


def time_in_turns(
    contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, warmups: int = 1
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round; a round runs all, in an order that rotates.

    Taking turns makes whatever else the machine does fall on all of them alike.

    Args:
        contestants: What to time; each call does all of the work that it stands for.
        rounds: Rounds that count.
        warmups: Rounds before that do not.
    """
    return in_turns({name: partial(_timed, call) for name, call in contestants.items()}, rounds, warmups)


def in_turns(
    contestants: Mapping[str, Callable[[], float]], rounds: int = ROUNDS, warmups: int = 1
) -> dict[str, list[float]]:
    """As `time_in_turns`, of contestants that time themselves, as those do whose setup does not count.

    Args:
        contestants: Each call gives the seconds that count.
        rounds: Rounds that count.
        warmups: Rounds before that do not.
    """
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warmups, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            spent = contestants[name]()
            if turn >= 0:
                seconds[name].append(spent)
    return seconds


def now() -> float:
    """The time in seconds, once the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def paired(slower: Sequence[float], ours: Sequence[float]) -> float:
    """Median over rounds of another's seconds over ours.

    >>> paired([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    2.0
    """
    return median(other / own for other, own in zip(slower, ours, strict=True))


def hardware() -> str:
    """The device that did the work, in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    names = [line for line in _cpu_lines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores of {model}"


def arguments(
    benchmark: str, description: str | None, quick: str, *, rounds: bool = True
) -> argparse.ArgumentParser:
    """A parser with the options that every speed benchmark has.

    Args:
        benchmark: Name of the module.
        description: What ``--help`` says.
        quick: What ``--quick`` leaves of it.
        rounds: Whether it has rounds to count.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    if rounds:
        parser.add_argument(
            "--rounds", type=int, default=ROUNDS, help=f"rounds that count (default {ROUNDS})"
        )
    parser.add_argument("--json", type=Path, default=Path(f"{benchmark}.json"), help="what to write")
    return parser


def _cpu_lines() -> list[str]:
    information = Path("/proc/cpuinfo")
    return information.read_text().splitlines() if information.is_file() else []


def _timed(call: Callable[[], object]) -> float:
    start = now()
    call()
    return now() - start
