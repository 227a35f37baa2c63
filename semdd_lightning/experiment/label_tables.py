"""What ``semdd relabel`` prints: what labels would cost, and what was stored."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from semdd_lightning.data import ImageDataModule, PoolDataModule, PoolSelection
from semdd_lightning.experiment.relabel_options import RelabelOptions
from semdd_lightning.experiment.run.directory import from_here
from semdd_lightning.names import command
from semdd_lightning.pools.files import find_images
from semdd_lightning.report import print_label_table, readable_size
from semdd_lightning.training import DistillationModule
from semdd_lightning.training.soft_labels.label_format import KL_AT, LabelFormat
from semdd_lightning.training.soft_labels.store import LabelStore, mean_costs

_SAMPLE = 1000  # image files whose sizes tell what an image takes


def label_format(options: RelabelOptions, data: ImageDataModule, module: DistillationModule) -> LabelFormat:
    """How labels are to be stored, for the loss of this experiment.

    Raises:
        LabelError: if there is no such format, or the loss could not learn from it.
    """
    chosen = LabelFormat(data.num_classes, options.precision, options.top_k, module.temperature)
    chosen.require_fit(module.loss, module.temperature)
    return chosen


def print_costs(options: RelabelOptions, data: PoolDataModule, module: DistillationModule) -> None:
    """The chosen settings and others, beside the size of the images; nothing is read but file sizes."""
    num_images, passes = data.ipc * data.num_classes, 1 if options.static else data.drawn_passes
    chosen = label_format(options, data, module)
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
    print_label_table("semdd relabel --dry-run", rows, costs, [_for_good(options)])


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
    print_label_table(
        "semdd relabel",
        rows,
        next_commands=[command("semdd", "fit", *_without_teacher(options.argv), *teacher)],
    )


def _for_good(options: RelabelOptions) -> str:
    """The command that stores these labels."""
    words: list[object] = ["--out", "labels", "--precision", options.precision]
    words += [] if options.top_k is None else ["--top-k", options.top_k]
    words += ["--static"] if options.static else []
    return command("semdd", "relabel", *options.argv, *words)


def _without_teacher(argv: list[str]) -> list[str]:
    """Options but for those of the teacher, which stored labels replace.

    Examples:
        >>> _without_teacher(["--data.ipc", "1", "--model.teacher", "ClipTeacher", "--model.teacher.x=1"])
        ['--data.ipc', '1']
    """
    named = [word.partition("=")[0].replace(".init_args", "") + "." for word in argv]
    of_teacher = [name.startswith("--model.teacher.") for name in named]
    values = [False, *(given and "=" not in word for given, word in zip(of_teacher, argv, strict=True))]
    return [
        word for word, given, value in zip(argv, of_teacher, values, strict=False) if not (given or value)
    ]


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
