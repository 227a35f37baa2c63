"""What Lightning says: warnings are shown, tips are not, and what it refuses is one of our errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.exceptions import MisconfigurationException

from semdd_lightning.errors import ConfigError


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Run what is inside without Lightning's tips and device tables.

    Raises:
        ConfigError: if Lightning is asked for what it cannot give here.
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
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
