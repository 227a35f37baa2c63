"""One experiment, from its command line to its result."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException

from semdd_lightning.errors import ConfigError, RunError
from semdd_lightning.experiment.config.run_config import config_files
from semdd_lightning.experiment.run.result import RunResult
from semdd_lightning.experiment.run.together import is_of_a_dead_rank
from semdd_lightning.experiment.semdd_cli import SemddCLI


def run_experiment(argv: list[str]) -> RunResult:
    """One experiment from its command line: what ``fit`` does, and ``compare`` once per cell."""
    with quiet_lightning():
        cli = SemddCLI(argv)
    return cli.record.result


class _ParserAlone(SemddCLI):
    """Parses, and neither seeds, makes a directory, builds nor runs anything."""

    def _set_seed(self) -> None: ...

    def before_instantiate_classes(self) -> None:
        """No directory."""

    def instantiate_classes(self) -> None:
        """No parts, which would have to be run."""
        self.parsed: Namespace = self.config[self.subcommand]
        self.subcommand = None


def parsed_experiment(argv: list[str]) -> Namespace:
    """All settings of an experiment's command line, as the parser has them, or refuses by `ConfigError`."""
    return _ParserAlone(argv).parsed


def saved_config(argv: list[str]) -> str:
    """A config that says what a command line says, with all defaults; refused as by `parsed_experiment`."""
    alone = _ParserAlone(argv)
    return config_files(alone._parser(argv[0]), argv[0], alone.parsed)["config.yaml"]


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Run what is inside without Lightning's tips and device tables.

    Raises:
        ConfigError: if Lightning is asked for what it cannot give here, or the config does not describe the
            student of the checkpoint.
        RunError: if another process of the run is gone.
    """
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    except MisconfigurationException as error:
        msg = f"Expected a config that Lightning can run here, found: {error}"
        raise ConfigError(msg) from error
    except RuntimeError as error:
        if is_of_a_dead_rank(error):
            msg = (
                "Expected all processes of this run to stay, found that one of them ended without a word "
                f"({error}); see whether the system killed it for its memory."
            )
            raise RunError(msg) from error
        if "loading state_dict" not in str(error):
            raise
        msg = (
            f"Expected a checkpoint of the student that the config describes, found another ({error}); "
            "give the config.yaml of the run that wrote it."
        )
        raise ConfigError(msg) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
