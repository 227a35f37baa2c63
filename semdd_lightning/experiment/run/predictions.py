"""Writes per-image class probabilities of ``semdd predict`` as one table."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from semdd_lightning.atomic import write_csv
from semdd_lightning.data.image_sets import UNKNOWN
from semdd_lightning.errors import DamageError, RunError
from semdd_lightning.experiment.run.record import RunRecord
from semdd_lightning.names import get_logger
from semdd_lightning.records import SEAL_BYTES, check_seal, write_sealed

logger = get_logger(__name__)
PART = ".predictions-{rank}"


class PredictionWriter(BasePredictionWriter):
    """Gathers the ranks' probabilities into ``predictions.csv``, in the order of the split.

    Args:
        record: knows the run directory.
    """

    def __init__(self, record: RunRecord) -> None:
        super().__init__(write_interval="epoch")
        self.record = record

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        """Every rank writes its part, then rank 0 puts them together."""
        directory = self.record.directory
        if directory is None:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        names = list(data.registry.names)
        part = BytesIO()
        _table(predictions, names).to_parquet(part)
        write_sealed(directory / PART.format(rank=trainer.global_rank), part.getbuffer())
        trainer.strategy.barrier("predictions")
        if trainer.is_global_zero:
            self._merge(directory, trainer.world_size, data.split_paths("predict"))

    def _merge(self, directory: Path, world_size: int, paths: list[str] | None) -> None:
        parts = [directory / PART.format(rank=rank) for rank in range(world_size)]
        table = pd.concat([_read_part(part) for part in parts]).sort_values("row", ignore_index=True)
        if paths is not None:
            table.insert(1, "path", [paths[row] for row in table["row"]])
        write_csv(directory / "predictions.csv", table)
        for part in parts:
            part.unlink()
        logger.info("Probabilities of %d images: %s", len(table), directory / "predictions.csv")


def _read_part(part: Path) -> pd.DataFrame:
    try:
        check_seal(part)  # of another node's rank, it may have come through a shared file system
    except DamageError as error:
        msg = f"Expected the predictions of a process in {part}, found {error}; give the same command again."
        raise RunError(msg) from error
    return pd.read_parquet(BytesIO(part.read_bytes()[:-SEAL_BYTES]))


def _table(predictions: Sequence[dict[str, torch.Tensor]], names: list[str]) -> pd.DataFrame:
    columns = {key: torch.cat([part[key].cpu() for part in predictions]) for key in predictions[0]}
    probability = columns["probability"].numpy()
    table = pd.DataFrame(
        {
            "row": columns["row"].numpy(),
            "label": [names[i] if i != UNKNOWN else None for i in columns["label"].tolist()],
            "predicted": [names[i] for i in probability.argmax(axis=1)],
        }
    )
    return pd.concat([table, pd.DataFrame(probability, columns=[f"p({name})" for name in names])], axis=1)
