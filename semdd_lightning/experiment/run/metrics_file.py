"""The run's ``metrics.csv``, which a run that goes on takes up where its checkpoint has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from semdd_lightning.atomic import writing

Row = dict[str, float]


class MetricsFile(CSVLogger):
    """Lightning's metrics in a file, and in memory for the checkpoint; a disk that refuses the file is named.

    Args:
        directory: the run directory.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, name="", version="metrics")
        self.rows: list[Row] = []

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Write a row."""
        at = {} if step is None else {"step": float(step)}
        self.rows.append({name: float(value) for name, value in metrics.items()} | at)
        super().log_metrics(metrics, step)

    @rank_zero_only
    def take_up(self, rows: list[Row]) -> None:
        """Begin with the rows of before."""
        for row in rows:
            values = {name: int(value) if name == "epoch" else value for name, value in row.items()}
            step = values.pop("step", None)
            self.log_metrics(values, None if step is None else int(step))
        self.save()

    def save(self) -> None:
        """Write what came since it was last written."""
        with writing(Path(self.log_dir)):
            super().save()


def rows_so_far(trainer: Trainer, *, epoch_ends: bool) -> list[Row]:
    """The rows of a trainer's metrics file.

    Args:
        trainer: while it fits.
        epoch_ends: whether the row of this epoch is yet to be written, as checkpoints come before it.
    """
    file = next((logger for logger in trainer.loggers if isinstance(logger, MetricsFile)), None)
    if file is None or not epoch_ends:
        return [] if file is None else list(file.rows)
    logged = trainer._logger_connector.metrics["log"]
    row = {name: float(value) for name, value in logged.items()}
    return [*file.rows, {**row, "epoch": trainer.current_epoch, "step": trainer.global_step - 1}]
