"""LightningCLI with what an experiment needs: a run directory of its own, and what its parts agree on."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentError
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning
import yaml
from jsonargparse import Namespace
from jsonargparse._link_arguments import skip_apply_links
from lightning.pytorch import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from semdd_lightning.atomic import write_text
from semdd_lightning.data import ImageDataModule
from semdd_lightning.data.image_settings import check_seed
from semdd_lightning.experiment.checks import check_callbacks, check_checkpoint
from semdd_lightning.experiment.config.configs import (
    SafeLoader,
    config_name,
    read_config,
    split_configs,
    with_bases,
)
from semdd_lightning.experiment.config.help import descriptions
from semdd_lightning.experiment.config.links import follow, full_name, refusal
from semdd_lightning.experiment.config.options import check_variables
from semdd_lightning.experiment.config.parser import ExperimentParser, config_of_the_environment
from semdd_lightning.experiment.config.protocol_changes import changes_of
from semdd_lightning.experiment.config.run_config import (
    TRAINER_EVERY,
    add_run_arguments,
    config_files,
    epochs_between_validations,
    named_configs,
    plain,
    validates_once,
)
from semdd_lightning.experiment.run.beginning import Beginning
from semdd_lightning.experiment.run.directory import from_here, write_versions
from semdd_lightning.experiment.run.failure import failures_told
from semdd_lightning.experiment.run.going_on import (
    CHECKPOINT,
    checkpoints,
    command_of,
)
from semdd_lightning.experiment.run.last_checkpoint import LastCheckpoint
from semdd_lightning.experiment.run.made_with import image_folders, inputs
from semdd_lightning.experiment.run.metrics_file import MetricsFile
from semdd_lightning.experiment.run.predictions import PredictionWriter
from semdd_lightning.experiment.run.progress_lines import ProgressBar, ProgressLines
from semdd_lightning.experiment.run.record import RunRecord
from semdd_lightning.experiment.run.stopping import current
from semdd_lightning.experiment.run.together import EndTogether, is_first_process
from semdd_lightning.freed_memory import freed_memory_kept
from semdd_lightning.training import ClassifierModule
from semdd_lightning.training.checkpoints import write_whole_checkpoints

NAMED = ("strategy", "plugins", "profiler", "accelerator")  # of the trainer, in code of their own


class SemddCLI(LightningCLI):
    """LightningCLI whose runs own a directory and end in a table.

    Args:
        argv: the command and its options.
    """

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.directory: Path | None = None  # of the run, on the rank that keeps its record
        shared = {"default_env": True, "env_prefix": "SEMDD", "exit_on_error": False}
        command = {argv[0]: {**shared, "description": descriptions()[argv[0]]}}
        self.together = EndTogether()
        with ExitStack() as self.claimed:  # what this command holds until it ends, its directory first of all
            self.claimed.push(self._tell_others)
            super().__init__(
                ClassifierModule,
                ImageDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                save_config_callback=None,  # written before anything can fail, see before_instantiate_classes
                auto_configure_optimizers=False,  # it would be built over student and teacher alike
                seed_everything_default=0,
                trainer_defaults={"num_sanity_val_steps": 0, "enable_model_summary": False},
                parser_class=ExperimentParser,
                parser_kwargs={"prog": "semdd", **shared, **command},
                args=argv,
            )

    def _tell_others(self, kind: Any, error: BaseException | None, trace: Any) -> None:  # noqa: ANN401
        if error is not None:
            self.together.tell(error)
        elif hasattr(self, "trainer"):
            self.together.part(self.trainer)

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # of the class in Lightning
        """The command that was asked for alone: a tenth of a small run goes into the other parsers."""
        return {self.argv[0]: LightningCLI.subcommands()[self.argv[0]]}

    @property
    def own_config(self) -> Namespace:
        """The parsed config of the command that runs."""
        config: Namespace = self.config[self.subcommand]
        return config

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:  # noqa: ANN401 - as Lightning has it
        """A parser that takes configs."""
        parser = ExperimentParser(
            **{"dump_header": [f"lightning.pytorch=={lightning.__version__}"], **kwargs}
        )
        parser.add_config_arguments()
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add where the run goes, and link what data, model and trainer must agree on."""
        add_run_arguments(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse what the command line, configs and variables say.

        By the command's parser alone: that of ``semdd`` would merge and read the variables once more.
        """
        command, *options = self.argv
        check_variables(command, (action.dest for action in self._parser(command)._actions), os.environ)
        try:
            with config_of_the_environment(command) as config:
                parsed = self._parser(command).parse_args([*config, *options], _skip_validation=True)
            whole = Namespace({"subcommand": command, command: parsed})  # type: ignore[no-untyped-call]
            with skip_apply_links():
                self.config = parser.parse_args([], whole, env=False, defaults=False)
        except ArgumentError as error:
            raise refusal(command, str(error)) from error
        follow(self.config[command])
        self.config[command] = plain(self.config[command])

    def _parse_ckpt_path(self) -> None:
        """Unlike Lightning, let nothing that stands in a checkpoint change what the config says."""

    def before_instantiate_classes(self) -> None:
        """Make the run directory and write the config, on one rank, before anything can fail."""
        check_checkpoint(self._get(self.config, "ckpt_path"), str(self.subcommand))
        self.directory = directory = self._claim_directory() if is_first_process() else None
        protocol = self._get(self.config, "protocol.name")
        goes_on = self._go_on(directory) or self.beginning.from_itself(directory)
        argv = command_of(directory) if directory is not None and goes_on else self.argv
        configs, overrides = split_configs(argv[1:])
        names = [config_name(Path(path)) for path in (configs if goes_on else named_configs(self.own_config))]
        self.record = RunRecord(directory, self.subcommand or "fit", names, overrides, protocol)
        resolved = self.beginning.files["resolved.yaml"]
        self.config_dump = yaml.load(resolved, SafeLoader)  # noqa: S506 - or Lightning would write it a third time
        if directory is None:
            current().said = None
            return
        if self.subcommand == "fit":
            self.record.result.inputs = inputs(self.config[self.subcommand].as_dict())
            current().said = f"`semdd resume {shlex.quote(str(from_here(directory)))}` goes on."
        if not goes_on:
            given = [Path(path) for path in named_configs(self.own_config)]
            write_versions(directory, self.argv, with_bases(given))
            for name, text in self.beginning.files.items():
                write_text(directory / name, text)
        if protocol is not None:
            saved = read_config(directory / "config.yaml")
            self.record.result.protocol_changes = changes_of(saved, trains=self.subcommand == "fit")

    def instantiate_classes(self) -> None:
        """Build everything; what the config names from elsewhere may fail already here."""
        with failures_told(self.directory, built=True):
            super().instantiate_classes()

    def _run_subcommand(self, subcommand: str) -> None:
        """Run the command; what the config names from elsewhere may fail in any hook."""
        trainer = self._get(self.config_init, "trainer")
        given = [trainer[name] for name in NAMED]
        named = [part for value in given for part in (value if isinstance(value, list) else [value])]
        with failures_told(self.directory, named):
            once = subcommand == "fit" and validates_once(self.own_config)
            check_callbacks(self.trainer, validates_once=once)
            super()._run_subcommand(subcommand)

    def _set_seed(self) -> None:
        """Seed every generator; the augmentation's is the same, also where it was drawn only now."""
        seed = self._get(self.config, "seed_everything")
        check_seed("seed_everything", seed)
        super()._set_seed()
        if seed is True:
            drawn = self._get(self.config, "seed_everything")
            self.config[f"{self.subcommand}.{full_name('data.augmentation_seed')}"] = drawn

    def _claim_directory(self) -> Path:
        claim = self.beginning.claim(self._image_folders())
        self.claimed.enter_context(claim)
        self.beginning.clear(claim)
        return claim.directory

    def _go_on(self, claimed: Path | None) -> bool:
        """Whether the directory holds the state of this training, which is then loaded; on every rank."""
        wanted = self._get(self.config, "run.directory")
        directory = Path(wanted).absolute() if claimed is None and wanted is not None else claimed
        if self.subcommand != "fit" or directory is None or not checkpoints(directory):
            return False
        self.config[self.subcommand]["ckpt_path"] = str(directory / CHECKPOINT)
        return True

    @cached_property
    def beginning(self) -> Beginning:
        """What was asked for, with all that was drawn, from before it goes on from anywhere."""
        files = config_files(self._parser(self.subcommand), str(self.subcommand), self.own_config)
        return Beginning(self.argv, self.own_config, files)

    def _image_folders(self) -> list[str]:
        """Where pool, reference and splits lie, those that lie anywhere."""
        return list(image_folders(self.own_config.as_dict()))

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401 - as Lightning has it
        """Add the run's own callbacks and metrics file to what the config asks for."""
        loggers = self._get(self.config_init, "trainer.logger")
        directory = self.record.directory
        if directory is not None and loggers is not False:
            given = [] if loggers in (None, True) else loggers if isinstance(loggers, list) else [loggers]
            kwargs["logger"] = [*given, MetricsFile(directory)]
        kwargs["default_root_dir"] = directory
        trainer_config = self._get(self.config_init, "trainer")
        kwargs[TRAINER_EVERY] = epochs_between_validations(self.own_config)
        shown = trainer_config["enable_progress_bar"] is not False and sys.stdout.isatty()
        kwargs["enable_progress_bar"] = shown
        self.trainer_defaults["callbacks"] = [
            self.together,
            ProgressBar() if shown else ProgressLines(),
            self.record.seen,
            self.record,
            PredictionWriter(self.record),
            *([LastCheckpoint(directory)] if trainer_config["enable_checkpointing"] is not False else []),
        ]
        trainer: Trainer = super().instantiate_trainer(**kwargs)
        write_whole_checkpoints(trainer)
        self.together.watch(trainer)
        if trainer.strategy.root_device.type == "cpu":
            self.claimed.enter_context(freed_memory_kept())
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

    after_test = after_predict = after_validate
