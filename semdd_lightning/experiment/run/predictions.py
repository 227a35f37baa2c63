"""Writes per-image class probabilities of ``semdd predict`` as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
import torch.distributed as dist
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from semdd_lightning.data.image_sets import UNKNOWN
from semdd_lightning.experiment.run.record import RunRecord
from semdd_lightning.export import write_csv
from semdd_lightning.names import get_logger

logger = get_logger(__name__)


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
        """Rank 0 puts the tables of all together."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        tables = [_table(predictions, list(data.registry.names))]
        if trainer.world_size > 1:
            own, tables = tables[0], tables * trainer.world_size
            dist.gather_object(own, tables if trainer.is_global_zero else None)
        if not trainer.is_global_zero or self.record.directory is None:
            return
        table = pd.concat(tables).sort_values("row", ignore_index=True)
        paths = data.split_paths("predict")
        if paths is not None:
            table.insert(1, "path", [paths[row] for row in table["row"]])
        file = self.record.directory / "predictions.csv"
        write_csv(file, table)
        logger.info("Probabilities of %d images: %s", len(table), file)


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
