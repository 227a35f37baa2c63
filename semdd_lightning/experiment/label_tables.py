"""What ``semdd relabel`` is asked for, and prints: what labels would cost, and what was stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from semdd_lightning.data import PoolDataModule, PoolSelection
from semdd_lightning.experiment.config.options import without_options
from semdd_lightning.experiment.run.directory import from_here
from semdd_lightning.names import command
from semdd_lightning.pools.files import find_images
from semdd_lightning.report import print_label_table, readable_size
from semdd_lightning.training.soft_labels import LabelFormat, LabelStore, mean_costs
from semdd_lightning.training.soft_labels.labelling import KL_AT

_SAMPLE = 1000  # image files whose sizes tell what an image takes


@dataclass(frozen=True)
class RelabelOptions:
    """What is to be stored, and where.

    Attributes:
        out: the store's folder; none only asks for the cost.
        precision: of a stored logit.
        top_k: logits kept of each label; none keeps all.
        static: one label an image, without augmentation.
        argv: the other options, those of ``semdd fit``.
    """

    out: Path | None
    precision: Literal["fp32", "fp16", "int8"]
    top_k: int | None
    static: bool
    argv: list[str]


def print_costs(options: RelabelOptions, chosen: LabelFormat, data: PoolDataModule) -> None:
    """The chosen settings and others, beside the size of the images; nothing is read but file sizes."""
    num_images, passes = data.ipc * data.num_classes, 1 if options.static else data.drawn_passes
    labels = chosen.bytes_per_label * num_images * passes
    pixels = 3 * data.image_size**2 * num_images
    files = _estimated_file_bytes(data, num_images)
    on_disk = "unknown: the pool is not here" if files is None else f"about {readable_size(files)}"
    rows = {
        "images": f"{num_images:,} ({data.ipc} of each of {data.num_classes} classes)",
        "passes with labels of their own": f"{passes:,} of {data.passes:,}",
        "labels": f"{readable_size(labels)}: {_in_words(chosen)}",
        "the images as files": on_disk,
        "the images as pixels": f"{readable_size(pixels)} at {data.image_size} px",
        "labels to images": f"{labels / (files or pixels):.1f} times the {'files' if files else 'pixels'}",
    }
    others = [
        *(LabelFormat(data.num_classes, precision) for precision in ("fp32", "fp16", "int8")),
        *(LabelFormat(data.num_classes, "fp16", k) for k in (10, 3) if k < data.num_classes),
    ]
    costs = [
        (f"{_in_words(form)}, {count:,} passes", form.bytes_per_label * num_images * count)
        for count in dict.fromkeys((passes, -(-passes // 10)))
        for form in others
    ]
    words: list[object] = ["--out", "labels", "--precision", options.precision]
    words += [] if options.top_k is None else ["--top-k", options.top_k]
    words += ["--static"] if options.static else []
    next_commands = [command("semdd", "relabel", *options.argv, *words)]
    print_label_table("semdd relabel --dry-run", rows, costs, next_commands)


def print_store(options: RelabelOptions, store: LabelStore, data: PoolDataModule) -> None:
    """What was stored, what it takes and what it lost."""
    header = store.header
    accuracy = header.teacher["accuracy"]
    stored, costs = store.stored_bytes, mean_costs(store)
    files = 0 if data.selected is None else _file_bytes(data.selected)
    rows = {
        "images": f"{header.num_images:,}",
        "passes": "one label an image" if header.static else f"{header.passes:,}",
        "teacher": f"{header.teacher['teacher']}, top-1 {accuracy['top1']:.1%} on {accuracy['on']}",
        "stored as": _in_words(header.label_format),
        "labels": f"{readable_size(stored)}, {stored / files:.1f} times the images ({readable_size(files)})",
        "mean KL to the exact labels": _divergences(costs),
        "mean squared error of the logits": f"{costs['mse']:.1e}, of {costs['mean_square']:.3g}",
        "written to": str(from_here(store.directory)),
    }
    teacher = ["--model.teacher", "StoredLabels", "--model.teacher.path", from_here(store.directory)]
    learn = command("semdd", "fit", *without_options(options.argv, "--model.teacher"), *teacher)
    print_label_table("semdd relabel", rows, next_commands=[learn])


def _divergences(costs: Mapping[str, float]) -> str:
    """The KL divergences among what was lost, by their temperatures.

    Examples:
        >>> _divergences({"kl_at_1": 0.001, "kl_at_20": 0.00001, "mse": 0.1})
        '1.0e-05 at temperature 20, 1.0e-03 at 1'
    """
    by_temperature = {float(name.removeprefix(KL_AT)): costs[name] for name in costs if KL_AT in name}
    words = (f"{by_temperature[at]:.1e} at {at:g}" for at in sorted(by_temperature, reverse=True))
    return ", ".join(words).replace(" at ", " at temperature ", 1)


def _in_words(form: LabelFormat) -> str:
    return f"{form.in_words}, {form.bytes_per_label:,} bytes a label"


def _file_bytes(selected: PoolSelection) -> int:
    """Bytes of the chosen images as they are stored."""
    total = 0
    for row in selected.selection.indices.tolist():
        file = selected.pool.file(row)
        total += len(selected.pool.read(row)) if file is None else file.stat().st_size
    return total


def _estimated_file_bytes(data: PoolDataModule, num_images: int) -> int | None:
    """Bytes of the images' files, from the sizes of some of the pool's; none where it has no folder here."""
    folder = getattr(data.pool, "path", None)
    if folder is None or not Path(folder).expanduser().is_dir():
        return None
    sizes = [path.stat().st_size for path in islice(find_images(Path(folder).expanduser()), _SAMPLE)]
    return round(num_images * sum(sizes) / len(sizes)) if sizes else None
