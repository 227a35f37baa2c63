"""What ``semdd relabel`` runs: `semdd fit` up to its first step, with labelling in place of training."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.cli import LightningCLI

from semdd_lightning.data import PoolDataModule
from semdd_lightning.errors import ConfigError, LabelError
from semdd_lightning.experiment.experiment import quiet_lightning
from semdd_lightning.experiment.label_tables import RelabelOptions, print_costs, print_store
from semdd_lightning.experiment.run.directory import environment
from semdd_lightning.experiment.run.made_with import image_folders
from semdd_lightning.experiment.run.ownership import claim_apart
from semdd_lightning.experiment.run.together import is_first_process, leave_process_group
from semdd_lightning.experiment.semdd_cli import SemddCLI
from semdd_lightning.names import get_logger
from semdd_lightning.training import DistillationModule, StaticLabels, Teacher
from semdd_lightning.training.soft_labels import (
    HEADER,
    LabelFormat,
    LabelStore,
    header_of,
    label_augmented,
    label_plain,
    write_blocks,
)

logger = get_logger(__name__)


def relabel(options: RelabelOptions) -> None:
    """Store the labels, or print what they would cost.

    Raises:
        ConfigError: if the config has no teacher that labels images, or no pool.
        LabelError: if the labels cannot be stored as asked.
    """
    with quiet_lightning():
        cli = RelabelCLI(options)
    if options.out is None:
        print_costs(cli.options, cli.label_format, cli.pool_data)
    elif cli.trainer.is_global_zero:
        print_store(options, LabelStore.open(options.out), cli.pool_data)
    leave_process_group()


class RelabelCLI(SemddCLI):
    """Builds what ``semdd fit`` builds, and labels where that would train.

    Args:
        options: what is to be stored, and where.
    """

    def __init__(self, options: RelabelOptions) -> None:
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
            self.options = replace(self.options, static=True)
            self.distillation.teacher = teacher = teacher.teacher
        if not isinstance(teacher, Teacher):
            msg = (
                f"Expected a teacher that looks at images, found {type(teacher).__name__}; give the config "
                "that names the teacher itself."
            )
            raise ConfigError(msg)
        if self.options.static and self.distillation.teacher_batch_statistics:
            msg = (
                "Expected teacher_batch_statistics to be off for one label an image, found it on; give "
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
