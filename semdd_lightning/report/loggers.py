"""A selection in the loggers of an experiment: its statistics as metrics, its sheet as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:  # a table on the terminal needs no Lightning
    from lightning.pytorch.loggers import Logger

NAME = "selection"


def log_selection(
    loggers: Iterable[Logger], report: Mapping[str, Mapping[str, float | None]], sheet: Path
) -> None:
    """Give every logger the selection, at step 0, through what it has for metrics and pictures.

    A metric is called ``selection/<metric>/<set>``, as ``selection/coverage/random``, so that the pool, the
    candidates, the chosen images and a random choice stand beside each other. A logger without pictures, as
    Lightning's for CSV files, gets the metrics alone.

    Args:
        loggers: of a trainer.
        report: what `statistics_record` gave.
        sheet: the contact sheet.
    """
    metrics = {
        f"{NAME}/{metric}/{subset}": value
        for subset, values in report.items()
        for metric, value in values.items()
        if value is not None
    }
    for logger in loggers:
        logger.log_metrics(metrics, step=0)
        _log_picture(logger, sheet)


def _log_picture(logger: Logger, sheet: Path) -> None:
    from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger

    with Image.open(sheet) as opened:
        picture = opened.convert("RGB")
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(NAME, np.asarray(picture), 0, dataformats="HWC")
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, picture, artifact_file=f"{NAME}.png")
    elif hasattr(logger, "log_image"):  # Weights & Biases, and whoever does as it does
        logger.log_image(key=NAME, images=[picture], step=0)
