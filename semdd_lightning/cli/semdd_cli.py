"""LightningCLI with what an experiment needs: a run directory of its own, and what its parts agree on."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from semdd_lightning.cli.choices_help import ParserWithChoices
from semdd_lightning.cli.configs import config_name, packaged_configs, read_config, without_configs
from semdd_lightning.cli.last_checkpoint import LastCheckpoint
from semdd_lightning.cli.options import flatten
from semdd_lightning.cli.predictions import PredictionWriter
from semdd_lightning.cli.protocol_changes import beyond, protocol_changes
from semdd_lightning.cli.protocols import Protocol, read_protocol, resolve_protocol
from semdd_lightning.cli.run_directory import claim_directory, create_run_directory, write_versions
from semdd_lightning.cli.run_record import RunRecord
from semdd_lightning.data import ImageDataModule
from semdd_lightning.data.pass_counts import epochs_of
from semdd_lightning.errors import ConfigError
from semdd_lightning.export import write_text
from semdd_lightning.freed_memory import keep_freed_memory
from semdd_lightning.training import ClassifierModule

logger = logging.getLogger(__name__)


def _packaged(folder: str) -> str:
    return ", ".join(sorted(path.stem for path in (packaged_configs() / folder).glob("*.yaml")))


ONE_CONFIG = f"""
A config is one experiment: data (pool, CLIP, sampler, splits), model (student, teacher), trainer. Packaged
ones are found by name: {_packaged(".")} (.yaml). A second --config goes
over the first, and options over both: --data.ipc 50 --data.batch_size 100 --trainer.devices 4. A protocol as
the second evaluates as a peer's code does: --config imagewoof.yaml --config protocols/minimax.yaml; there are
{_packaged("protocols")}. What a part takes: --data.help PoolDataModule,
--model.help DistillationModule. The config that results, every default spelled out: --print_config."""
DESCRIPTIONS = {
    "fit": "Choose images of a pool, train a student on them, test it after the last pass." + ONE_CONFIG,
    "validate": "Evaluate the student of --ckpt_path on the validation split." + ONE_CONFIG,
    "test": "Evaluate the student of --ckpt_path on the test split." + ONE_CONFIG,
    "predict": "Write class probabilities of the student of --ckpt_path for every image." + ONE_CONFIG,
}


class ProgressBar(RichProgressBar):
    """Rich progress without the logger's version number, which says nothing here."""

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What stands behind the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class _Parser(ParserWithChoices, LightningArgumentParser):  # type: ignore[misc]  # its format_help() takes more
    """Lightning's, with samplers and scores in its help."""


class SemddCLI(LightningCLI):
    """LightningCLI whose runs own a directory and end in a table.

    Args:
        words: the command and its options.
    """

    def __init__(self, words: list[str]) -> None:
        self.words = words
        environment = {"default_env": True, "env_prefix": "SEMDD"}
        commands = {name: {**environment, "description": text} for name, text in DESCRIPTIONS.items()}
        super().__init__(
            ClassifierModule,
            ImageDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=None,  # written before anything can fail, see before_instantiate_classes
            auto_configure_optimizers=False,  # it would be built over student and teacher alike
            seed_everything_default=0,
            trainer_defaults={"num_sanity_val_steps": 0, "enable_model_summary": False},
            parser_class=_Parser,
            parser_kwargs={"prog": "semdd", **environment, **commands},
            args=words,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add where the run goes, and link what data, model and trainer must agree on."""
        parser.add_argument("--run.root", type=Path, default=Path("runs"), help="Folder of all runs.")
        parser.add_argument(
            "--run.name", type=str | None, default=None, help="Group; none: the config's name."
        )
        parser.add_argument(
            "--run.directory", type=Path | None, default=None, help="Exactly this new directory."
        )
        parser.add_argument(
            "--protocol",
            type=Protocol | None,
            default=None,
            help="The evaluation protocol, which a config of protocols/ holds.",
        )
        parser.link_arguments("data.init_args.num_classes", "model.init_args.num_classes")
        parser.link_arguments("data.init_args.image_size", "model.init_args.image_size")
        parser.link_arguments("seed_everything", "data.init_args.augmentation_seed", compute_fn=int)
        parser.link_arguments(
            ("data.init_args.passes", "data.init_args.passes_per_epoch"),
            "trainer.max_epochs",
            compute_fn=epochs_of,
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Resolve what a protocol makes of ipc, classes and student, then parse."""
        super().parse_arguments(parser, resolve_protocol(self.words))

    def before_instantiate_classes(self) -> None:
        """Make the run directory and write the config, on one rank, before anything can fail."""
        self._check_checkpoint()
        directory = self._new_run_directory() if _is_first_process() else None
        overrides = without_configs(self.words[1:])
        protocol = self._get(self.config, "protocol.name")
        self.record = RunRecord(
            directory, self.subcommand or "fit", self._config_names(), overrides, protocol
        )
        if directory is None:
            return
        parser, config = self._parser(self.subcommand), self.config[self.subcommand]
        resolved = config.clone()
        resolved["trainer.check_val_every_n_epoch"] = _epochs_between_validations(config["trainer"])
        write_text(
            directory / "resolved.yaml", parser.dump(resolved, skip_unset=False, skip_link_targets=False)
        )
        again = config.clone()  # a second run of this config makes a second directory beside the first
        again["run.directory"], again["run.name"] = None, self._run_name()
        write_text(directory / "config.yaml", parser.dump(again, skip_unset=False))
        write_versions(directory, self.words)
        if protocol is not None:
            self._compare_with_protocol(read_config(directory / "config.yaml"))

    def _compare_with_protocol(self, saved: dict[str, Any]) -> None:
        """Say where the experiment is not that of its protocol, now and in the result."""
        protocol = read_protocol(saved, Path("config.yaml"))
        self.record.result.protocol_changes = protocol_changes(protocol, flatten(saved))
        problem = beyond(protocol) if self.subcommand == "fit" else None
        if problem is not None:
            logger.warning("%s", problem)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401 - as Lightning has it
        """Add the run's own callbacks and metrics file to what the config asks for."""
        loggers = self._get(self.config_init, "trainer.logger")
        directory = self.record.directory
        if directory is not None and loggers is not False:
            given = [] if loggers in (None, True) else loggers if isinstance(loggers, list) else [loggers]
            kwargs["logger"] = [*given, CSVLogger(directory, name="", version="metrics")]
        kwargs["default_root_dir"] = directory
        trainer_config = self._get(self.config_init, "trainer")
        kwargs["check_val_every_n_epoch"] = _epochs_between_validations(trainer_config)
        shown = trainer_config["enable_progress_bar"] is not False
        self.trainer_defaults["callbacks"] = [
            *([ProgressBar()] if shown else []),
            self.record,
            PredictionWriter(self.record),
            *([LastCheckpoint(directory)] if trainer_config["enable_checkpointing"] is not False else []),
        ]
        trainer: Trainer = super().instantiate_trainer(**kwargs)
        if trainer.strategy.root_device.type == "cpu":
            keep_freed_memory()
        return trainer

    def after_fit(self) -> None:
        """Test the student as the last pass left it; the record of training stays if that fails."""
        self.record.write_result(self.trainer)
        if self.datamodule.test is None:
            return
        self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)
        self.record.write_result(self.trainer)

    def after_validate(self) -> None:
        """Write the result."""
        self.record.write_result(self.trainer)

    def after_test(self) -> None:
        """Write the result."""
        self.record.write_result(self.trainer)

    def after_predict(self) -> None:
        """Write the result."""
        self.record.write_result(self.trainer)

    def _check_checkpoint(self) -> None:
        path = self._get(self.config, "ckpt_path")
        if path is None and self.subcommand != "fit":
            msg = (
                f"Expected --ckpt_path for {self.subcommand}, found none; give the last.ckpt of a run "
                "(an untrained student is not worth a number)."
            )
            raise ConfigError(msg)
        if path is not None and "://" not in str(path) and not Path(path).exists():
            msg = (
                f"Expected a checkpoint at {Path(path).absolute()}, found none; give the last.ckpt of a run."
            )
            raise ConfigError(msg)

    def _config_names(self) -> list[str]:
        return [config_name(Path(str(path))) for path in self._get(self.config, "config") or []]

    def _new_run_directory(self) -> Path:
        wanted = self._get(self.config, "run.directory")
        if wanted is not None:
            return claim_directory(Path(wanted).absolute())
        return create_run_directory(Path(self._get(self.config, "run.root")).absolute(), self._run_name())

    def _run_name(self) -> str:
        return self._get(self.config, "run.name") or Path(next(iter(self._config_names()), "run")).stem


def _is_first_process() -> bool:
    """Whether this is the one process of all nodes that makes the run's directory.

    Where Lightning starts the processes, each node's first believes to be rank 0 until the trainer tells it.
    """
    ranks = [getattr(rank_zero_only, "rank", 0), os.environ.get("NODE_RANK"), os.environ.get("GROUP_RANK")]
    return all(rank in (None, "", 0, "0") for rank in ranks)


def _epochs_between_validations(trainer_config: Any) -> int | None:  # noqa: ANN401 - jsonargparse's Namespace
    """``check_val_every_n_epoch``, where null means once, after the last epoch."""
    every: int | None = trainer_config["check_val_every_n_epoch"]
    return trainer_config["max_epochs"] if every is None else every
