"""Cells of comparisons that nobody ran, with accuracies that a test chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from semdd_lightning.evaluation import Cell

PLACE: dict[str, str | int] = {
    "pool": "digits",
    "prior": "clip",
    "ipc": 10,
    "student": "conv3",
    "protocol": "hard",
}


def cell(sampler: str, seed: int, top1: float | None = None, **changes: Any) -> Cell:  # noqa: ANN401 - fields of any type
    """A cell that is finished where it has an accuracy; a change names an axis or a field."""
    place = PLACE | {name: changes.pop(name) for name in PLACE if name in changes}
    seeds = {name: changes.pop(name, seed) for name in ("selection_seed", "training_seed")}
    axes = {**place, "sampler": sampler, **seeds}
    state = changes.pop("state", "waiting" if top1 is None else "finished")
    labels = changes.pop("labels", None if top1 is None else "hard")
    directory = changes.pop("directory", "-".join(map(str, axes.values())))
    return Cell(axes, directory, state, labels, top1=top1, **changes)


def runs(accuracies: Mapping[str, Sequence[float]], **changes: Any) -> list[Cell]:  # noqa: ANN401
    """Finished cells of samplers with accuracies by seed."""
    return [
        cell(sampler, seed, top1, **changes)
        for sampler, values in accuracies.items()
        for seed, top1 in enumerate(values)
    ]


def grid(seeds: int = 5) -> list[Cell]:
    """Two pools, two budgets, two students, hard and soft labels, three samplers; one of them is better."""
    draws = np.random.default_rng(0)
    cells = []
    gains = {"random": 0.0, "relevance": 0.002, "two_stage": 0.05}
    axes = product(
        ("digits", "woof"), (1, 10), ("conv3", "resnet18"), ("hard", "online"), gains, range(seeds)
    )
    for pool, ipc, student, labels, sampler, seed in axes:
        top1 = 0.3 + 0.02 * ipc + gains[sampler] + draws.normal(0, 0.01)
        chosen = {"num_images": 10.0 * ipc, "coverage": 0.7 + gains[sampler], "zero_shot_accuracy": 0.9}
        cells.append(
            cell(
                sampler,
                seed,
                top1,
                pool=pool,
                ipc=ipc,
                student=student,
                protocol=labels,
                labels=labels,
                top5=min(1.0, top1 + 0.3),
                seconds={"embed": 3.0 if seed == 0 else 0.0, "select": 0.1, "train": 2.0},
                label_bytes=None if labels == "hard" else 4_000,
                peak_memory_bytes=2**30,
                selection={"pool": {"coverage": 1.0}, "selection": chosen},
                num_images_pool=500 if pool == "digits" else 5_000,
                command=["semdd", "fit", "--config", "quickstart.yaml"],
            )
        )
    return cells
