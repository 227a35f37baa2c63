"""What ``semdd relabel`` runs, `semdd fit` with labelling in place of its first step, and what it prints."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.cli import LightningCLI

from semdd_lightning.data import PoolDataModule, PoolSelection
from semdd_lightning.errors import ConfigError, LabelError
from semdd_lightning.experiment.config.options import without_options
from semdd_lightning.experiment.experiment import quiet_lightning
from semdd_lightning.experiment.run.directory import environment, from_here
from semdd_lightning.experiment.run.made_with import image_folders
from semdd_lightning.experiment.run.ownership import claim_apart
from semdd_lightning.experiment.run.together import is_first_process, leave_process_group
from semdd_lightning.experiment.semdd_cli import SemddCLI
from semdd_lightning.names import command, get_logger
from semdd_lightning.pools.files import find_images
from semdd_lightning.report import print_label_table, readable_size
from semdd_lightning.training import DistillationModule, StaticLabels, Teacher
from semdd_lightning.training.soft_labels.header import HEADER
from semdd_lightning.training.soft_labels.label_format import KL_AT, LabelFormat
from semdd_lightning.training.soft_labels.sources import label_augmented, label_plain
from semdd_lightning.training.soft_labels.store import LabelStore, header_of, mean_costs, write_blocks

logger = get_logger(__name__)


def relabel(options: Namespace) -> None:
    """Store the labels, or print what they would cost.

    Args:
        options: those of the command line, and as ``argv`` those of ``semdd fit``; ``out`` is none where only
            the cost is asked for.

    Raises:
        ConfigError: if the config has no teacher that labels images, or no pool.
        LabelError: if the labels cannot be stored as asked.
    """
    with quiet_lightning():
        cli = RelabelCLI(options)
    if options.out is None:
        _print_costs(cli.options, cli.label_format, cli.pool_data)
    elif cli.trainer.is_global_zero:
        _print_store(options, LabelStore.open(options.out), cli.pool_data)
    leave_process_group()


class RelabelCLI(SemddCLI):
    """Builds what ``semdd fit`` builds, and labels, as `relabel` is asked to, where that would train."""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        super().__init__(["fit", *options.argv])

    def before_instantiate_classes(self) -> None:
        """Claim the labels' folder, so that nobody else labels the same."""
        out = self.options.out
        if out is not None and is_first_process():
            again, images = (out / HEADER).is_file(), image_folders(self.own_config.as_dict())
            self.claimed.enter_context(claim_apart(out, out.parent, out.name, images, again=again))

    def instantiate_classes(self) -> None:
        """Build data, teacher and trainer; for the cost alone, data and teacher will do."""
        if self.options.out is not None:
            super().instantiate_classes()
        else:
            self.config_init = self.parser.instantiate(self.config)
            self.datamodule = self._get(self.config_init, "data")
            self.model = self._get(self.config_init, "model")
            self.subcommand = None  # so that nothing is run
        if not isinstance(self.model, DistillationModule):
            msg = (
                "Expected a model with a teacher, DistillationModule, found "
                f"{type(self.model).__name__}; hard labels need no relabelling."
            )
            raise ConfigError(msg)
        self.distillation, teacher = self.model, self.model.teacher
        if isinstance(teacher, StaticLabels):
            self.options.static = True
            self.distillation.teacher = teacher = teacher.teacher
        if not isinstance(teacher, Teacher):
            msg = (
                f"Expected a teacher that looks at images, found {type(teacher).__name__}; give the config "
                "that names the teacher itself."
            )
            raise ConfigError(msg)
        if self.options.static and self.distillation.teacher_batch_statistics:
            msg = (
                "Expected teacher_batch_statistics to be off for one label per image, found it on; give "
                "--model.teacher_batch_statistics false, or store the labels of every pass."
            )
            raise ConfigError(msg)
        if not isinstance(self.datamodule, PoolDataModule):
            msg = (
                f"Expected images selected by PoolDataModule, found {type(self.datamodule).__name__}; stored "
                "labels need to know their images."
            )
            raise ConfigError(msg)
        data, model, asked = self.datamodule, self.model, self.options
        self.label_format = LabelFormat(data.num_classes, asked.precision, asked.top_k, model.temperature)
        self.label_format.require_fit(model.loss, model.temperature)
        self.pool_data = data

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401 - as Lightning has it
        """A trainer that labels and makes no step; devices and strategy are the config's."""
        self.trainer_defaults["callbacks"] = [self.together, LambdaCallback(on_fit_start=self._label)]
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        no_steps = {"callbacks": None, "limit_train_batches": 0, "check_val_every_n_epoch": 1}
        trainer: Trainer = LightningCLI.instantiate_trainer(self, **{**kwargs, **quiet, **no_steps})
        self.together.watch(trainer)
        return trainer

    def after_fit(self) -> None:
        """Nothing was trained, so nothing is tested."""

    def _label(self, trainer: Trainer, _: LightningModule) -> None:
        """Label as soon as data and teacher are there; several processes share the blocks."""
        data, module, store = self.pool_data, self.distillation, self._store(trainer)
        missing: list[int] = trainer.strategy.broadcast(store.missing())
        if len(missing) < len(store.header.blocks):
            logger.info("%d files of labels are there, %d to go", len(store.header.blocks), len(missing))
        teacher = module.frozen_teacher
        augmented = partial(label_augmented, teacher, data)
        label = (lambda _: label_plain(teacher, data)) if self.options.static else augmented
        share = missing[trainer.global_rank :: trainer.world_size]
        write_blocks(store, share, label, module.temperature, show=trainer.is_global_zero)
        trainer.strategy.barrier("labels are written")

    def _store(self, trainer: Trainer) -> LabelStore:
        """The store, made by one process; if it refuses, all stop, for else the others would wait for it."""
        module, out, problem = self.distillation, self.options.out, None
        if out is None or module.teacher_card is None:
            msg = "Expected a folder and a teacher's card before labelling, found none; call `relabel`."
            raise LabelError(msg)
        if trainer.is_global_zero:
            header = header_of(
                self.pool_data,
                module.teacher_card,
                self.label_format,
                static=self.options.static,
                batch_statistics=module.teacher_batch_statistics,
                environment=environment(),
            )
            try:
                LabelStore.create(out, header)
            except LabelError as error:
                problem = str(error)
        problem = trainer.strategy.broadcast(problem)
        if problem is not None:
            raise LabelError(problem)
        return LabelStore.open(out)


def _print_costs(options: Namespace, chosen: LabelFormat, data: PoolDataModule) -> None:
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


def _print_store(options: Namespace, store: LabelStore, data: PoolDataModule) -> None:
    """What was stored, what it takes and what it lost."""
    header = store.header
    accuracy = header.teacher["accuracy"]
    stored, costs = store.stored_bytes, mean_costs(store)
    files = 0 if data.selected is None else _file_bytes(data.selected)
    rows = {
        "images": f"{header.num_images:,}",
        "passes": "one label per image" if header.static else f"{header.passes:,}",
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
    return f"{form.in_words}, {form.bytes_per_label:,} bytes per label"


def _file_bytes(selected: PoolSelection) -> int:
    """Bytes of the chosen images as they are stored."""
    total = 0
    for row in selected.selection.indices.tolist():
        file = selected.pool.file(row)
        total += len(selected.pool.read(row)) if file is None else file.stat().st_size
    return total


def _estimated_file_bytes(data: PoolDataModule, num_images: int) -> int | None:
    """Bytes of the images' files, from the sizes of 1000 of the pool's; None where it has no folder here."""
    folder = getattr(data.pool, "path", None)
    if folder is None or not Path(folder).expanduser().is_dir():
        return None
    sizes = [path.stat().st_size for path in islice(find_images(Path(folder).expanduser()), 1000)]
    return round(num_images * sum(sizes) / len(sizes)) if sizes else None
