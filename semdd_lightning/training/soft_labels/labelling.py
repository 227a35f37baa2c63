"""Let a teacher label whole passes and write them, block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from semdd_lightning.data import ImageDataModule, TrainingImages
from semdd_lightning.progress import image_progress
from semdd_lightning.training.losses import soft_label_loss
from semdd_lightning.training.soft_labels.header import StoreHeader, passes_per_block
from semdd_lightning.training.soft_labels.label_format import LabelFormat
from semdd_lightning.training.soft_labels.made_for import chosen_by, labelled_in_batches, made_for
from semdd_lightning.training.soft_labels.store import LabelStore, block_tensors

PLAIN_BATCH = 250
KL_AT = "kl_at_"  # a temperature
_ROWS = 4096
LabelPass = Callable[[int], Tensor]
"""From the number of a pass to the exact logits (M, C) of all chosen images, on the CPU."""


def header_of(
    data: ImageDataModule,
    teacher: dict[str, Any],
    label_format: LabelFormat,
    *,
    static: bool = False,
    batch_statistics: bool = False,
    environment: dict[str, Any] | None = None,
) -> StoreHeader:
    """What a store of the labels of these images says of itself.

    Args:
        data: the data module, after ``setup('fit')``.
        teacher: the teacher's card.
        label_format: how labels are stored.
        static: one label an image, whatever its augmentation.
        batch_statistics: whether the teacher takes the statistics of each batch.
        environment: versions and hardware.
    """
    num_images = data.planner.num_images
    return StoreHeader(
        made_for=made_for(data, static=static)
        | (labelled_in_batches(data, on=True) if batch_statistics else {}),
        teacher=teacher,
        label_format=label_format,
        num_images=num_images,
        passes=1 if static else data.drawn_passes,
        static=static,
        block_passes=passes_per_block(label_format, num_images),
        chosen=chosen_by(data),
        environment=environment or {},
    )


def label_augmented(teacher: Callable[[Tensor], Tensor], data: ImageDataModule, pass_index: int) -> Tensor:
    """Logits of every chosen image as it looks in one pass, (M, C), in the order of the selection."""
    return gather_logits(teacher, data.training_pass(pass_index), data.planner.num_images)


def gather_logits(
    teacher: Callable[[Tensor], Tensor], batches: Iterable[TrainingImages], num_images: int
) -> Tensor:
    """Logits of batches that hold each of M images once, by image, (M, C) on the CPU."""
    found: Tensor | None = None
    for batch in batches:
        logits = teacher(batch.images).float().cpu()
        if found is None:
            found = torch.full((num_images, logits.shape[1]), torch.nan)
        found[batch.rows.cpu()] = logits
    return torch.empty(0, 0) if found is None else found


def label_plain(teacher: Callable[[Tensor], Tensor], data: ImageDataModule) -> Tensor:
    """Logits of every chosen image as it is, neither augmented nor mixed, (M, C) on the CPU."""
    parts = _runs(data.planner.num_images, PLAIN_BATCH)
    return torch.cat([teacher(data.plain_images(rows)).float().cpu() for rows in parts])


def write_blocks(
    store: LabelStore,
    blocks: Sequence[int],
    label_pass: LabelPass,
    temperature: float,
    *,
    show: bool = True,
) -> None:
    """Label the passes of some blocks and write each block when it is whole.

    Args:
        store: where to.
        blocks: this process's share of the blocks.
        label_pass: what labels a pass.
        temperature: at which the loss will look at the labels; for the cost, as `storing_costs` has it.
        show: whether to show the progress of this process.
    """
    form, images = store.header.label_format, store.header.num_images
    visits = images * sum(len(store.header.blocks[block]) for block in blocks)
    with image_progress("Labelling images", visits, after=2, show=show) as advance:
        for block in blocks:
            parts, costs = [], []
            for pass_index in store.header.blocks[block]:
                exact = label_pass(pass_index)
                parts.append(form.encode(exact))
                costs.append(storing_costs(exact, parts[-1], form, temperature))
                advance(images)
            means = {name: sum(cost[name] for cost in costs) / len(costs) for name in costs[0]}
            store.write(block, block_tensors(parts), **means)


def storing_costs(
    exact: Tensor, parts: dict[str, Tensor], form: LabelFormat, temperature: float
) -> dict[str, float]:
    """What stored labels lost, to a loss between distributions and to one between logits.

    Args:
        exact: logits, (n, C).
        parts: what is stored of them.
        form: how.
        temperature: T, of the loss.

    Returns:
        ``kl_at_T`` and ``kl_at_1``, mean KL divergences of the stored from the exact labels, in nats;
        ``mse``, the mean squared error of the logits, and ``mean_square`` of the exact ones beside it.
    """
    totals: Counter[str] = Counter()
    for rows in _runs(len(exact), _ROWS):  # in float64, a large pass as a whole would not fit
        truth = exact[rows].double()
        stored = form.decode({name: part[rows] for name, part in parts.items()}).double()
        means = {f"{KL_AT}{at:g}": soft_label_loss(stored, truth, at) for at in (temperature, 1.0)}
        means |= {"mse": F.mse_loss(stored, truth), "mean_square": truth.square().mean()}
        totals.update({name: len(rows) * float(mean) for name, mean in means.items()})
    return {name: total / len(exact) for name, total in totals.items()}


def mean_costs(store: LabelStore) -> dict[str, float]:
    """`storing_costs` of all labels of a store; a temperature that only some were measured at is left out."""
    notes = [(store.notes(block), len(passes)) for block, passes in enumerate(store.header.blocks)]
    total = sum(count for _, count in notes)
    common = set.intersection(*(set(note) for note, _ in notes))
    return {name: sum(note[name] * count for note, count in notes) / total for name in sorted(common)}


def _runs(count: int, size: int) -> list[Tensor]:
    """Row numbers in runs of at most ``size``."""
    return [torch.arange(start, min(start + size, count)) for start in range(0, count, size)]
