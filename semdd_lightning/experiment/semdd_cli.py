"""LightningCLI with what an experiment needs: a run directory of its own, and what its parts agree on."""

from __future__ import annotations

import sys
from argparse import ArgumentError
from contextlib import ExitStack
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
from semdd_lightning.experiment.config import configs, run_config
from semdd_lightning.experiment.config.links import follow, full_name, refusal
from semdd_lightning.experiment.config.options import check_variables, flatten
from semdd_lightning.experiment.config.parser import ExperimentParser, config_of_the_environment, description
from semdd_lightning.experiment.config.protocols import beyond, protocol_changes, read_protocol
from semdd_lightning.experiment.process import current
from semdd_lightning.experiment.run.directory import (
    CHECKPOINT,
    VERSIONS,
    argv_of,
    checkpoints,
    command_of,
    keep_newest,
    tell_to_resume,
    write_versions,
)
from semdd_lightning.experiment.run.last_checkpoint import LastCheckpoint, MetricsFile
from semdd_lightning.experiment.run.made_with import image_folders, inputs
from semdd_lightning.experiment.run.measured import ProgressBar, ProgressLines
from semdd_lightning.experiment.run.ownership import claim_apart
from semdd_lightning.experiment.run.record import PredictionWriter, RunRecord
from semdd_lightning.experiment.run.result import RunResult
from semdd_lightning.experiment.run.together import EndTogether, failures_told, is_first_process
from semdd_lightning.freed_memory import freed_memory_kept
from semdd_lightning.names import get_logger
from semdd_lightning.training import ClassifierModule
from semdd_lightning.training.checkpoints import write_whole_checkpoints

logger = get_logger(__name__)


class SemddCLI(LightningCLI):
    """LightningCLI whose runs own a directory and end in a table.

    Args:
        argv: the command and its options.
    """

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.directory: Path | None = None  # of the run, on the rank that keeps its record
        shared = {"default_env": True, "env_prefix": "SEMDD", "exit_on_error": False}
        command = {argv[0]: {**shared, "description": description(argv[0])}}
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

    def _tell_others(self, kind: object, error: BaseException | None, trace: object) -> None:
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
        header = [f"lightning.pytorch=={lightning.__version__}"]
        parser = ExperimentParser(**{"dump_header": header, **kwargs})
        parser.add_config_arguments()
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add where the run goes, and link what data, model and trainer must agree on."""
        run_config.add_run_arguments(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse what the command line, configs and variables say.

        By the command's parser alone: that of ``semdd`` would merge and read the variables once more.
        """
        command, *options = self.argv
        check_variables(command, (action.dest for action in self._parser(command)._actions))
        try:
            with config_of_the_environment(command) as config:
                parsed = self._parser(command).parse_args([*config, *options], _skip_validation=True)
            whole = Namespace({"subcommand": command, command: parsed})  # type: ignore[no-untyped-call]
            with skip_apply_links():
                self.config = parser.parse_args([], whole, env=False, defaults=False)
        except ArgumentError as error:
            raise refusal(command, str(error)) from error
        follow(self.config[command])
        self.config[command] = run_config.plain(self.config[command])

    def _parse_ckpt_path(self) -> None:
        """Unlike Lightning, let nothing that stands in a checkpoint change what the config says."""

    def before_instantiate_classes(self) -> None:
        """Make the run directory and write the config, on one rank, before anything can fail."""
        run_config.check_checkpoint(self._get(self.config, "ckpt_path"), str(self.subcommand))
        self.files = run_config.config_files(
            self._parser(self.subcommand), str(self.subcommand), self.own_config
        )
        self.directory = directory = self._claim_directory() if is_first_process() else None
        protocol = self._get(self.config, "protocol.name")
        goes_on = self._go_on(directory) or (directory is not None and self.argv == argv_of(directory))
        argv = command_of(directory) if directory is not None and goes_on else self.argv
        named, overrides = configs.split_configs(argv[1:])
        paths = map(Path, named) if goes_on else run_config.named_configs(self.own_config)
        names = [configs.config_name(path) for path in paths]
        result = RunResult(str(self.subcommand), names, None, overrides, protocol=protocol)
        self.record = RunRecord(directory, result)
        self.config_dump = yaml.load(self.files["resolved.yaml"], configs.SafeLoader)  # noqa: S506 - or Lightning would write it a third time
        if directory is None:
            current().said = None
            return
        if self.subcommand == "fit":
            self.record.result.inputs = inputs(self.config[self.subcommand].as_dict())
            tell_to_resume(directory)
        if not goes_on:
            files = configs.with_bases(run_config.named_configs(self.own_config))
            write_versions(directory, self.argv, files)
            for name, text in self.files.items():
                write_text(directory / name, text)
        if protocol is not None:
            file = directory / "config.yaml"
            saved = configs.read_config(file)
            settled = read_protocol(saved, file)
            if self.subcommand == "fit" and (problem := beyond(settled)) is not None:
                logger.warning("%s", problem)
            self.record.result.protocol_changes = protocol_changes(settled, flatten(saved))

    def instantiate_classes(self) -> None:
        """Build everything; what the config names from elsewhere may fail already here."""
        with failures_told(self.directory, otherwise="a part that the config names"):
            super().instantiate_classes()

    def _run_subcommand(self, subcommand: str) -> None:
        """Run the command; what the config names from elsewhere may fail in any hook."""
        trainer = self._get(self.config_init, "trainer")
        given = [trainer[name] for name in ("strategy", "plugins", "profiler", "accelerator")]
        named = [part for value in given for part in (value if isinstance(value, list) else [value])]
        with failures_told(self.directory, named):
            once = subcommand == "fit" and run_config.validates_once(self.own_config)
            run_config.check_callbacks(self.trainer, once)
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
        """Take the run's directory, without what cannot be gone on with, but not what this is read from."""
        config = self.own_config
        wanted, root = config["run.directory"], Path(config["run.root"]).absolute()
        asked = None if wanted is None else Path(wanted).absolute()
        claim = claim_apart(asked, root, run_config.run_name(config), image_folders(config.as_dict()))
        self.claimed.enter_context(claim)
        directory, begun = claim.directory, claim.directory / "config.yaml"
        by_itself = self.argv == argv_of(directory)  # nothing else says what was begun
        same = begun.is_file() and begun.read_text(encoding="utf-8") == self.files["config.yaml"]
        if not (same or by_itself) or keep_newest(directory) is None:
            given = configs.with_bases(run_config.named_configs(config))
            beside = [path.name for path in given if path.parent.resolve() == directory.resolve()]
            claim.clear(but=[VERSIONS, *self.files] if by_itself else beside)
        return directory

    def _go_on(self, claimed: Path | None) -> bool:
        """Whether the directory holds the state of this training, which is then loaded; on every rank."""
        wanted = self._get(self.config, "run.directory")
        directory = Path(wanted).absolute() if claimed is None and wanted is not None else claimed
        if self.subcommand != "fit" or directory is None or not checkpoints(directory):
            return False
        self.config[self.subcommand]["ckpt_path"] = str(directory / CHECKPOINT)
        return True

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401 - as Lightning has it
        """Add the run's own callbacks and metrics file to what the config asks for."""
        trainer_config, directory = self._get(self.config_init, "trainer"), self.record.directory
        loggers = trainer_config["logger"]
        if directory is not None and loggers is not False:
            given = [] if loggers in (None, True) else loggers if isinstance(loggers, list) else [loggers]
            kwargs["logger"] = [*given, MetricsFile(directory)]
        kwargs["default_root_dir"] = directory
        kwargs[run_config.TRAINER_EVERY] = run_config.epochs_between_validations(self.own_config)
        bar = trainer_config["enable_progress_bar"] is not False and sys.stdout.isatty()
        kwargs["enable_progress_bar"] = bar
        self.trainer_defaults["callbacks"] = [
            self.together,
            ProgressBar() if bar else ProgressLines(),
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
