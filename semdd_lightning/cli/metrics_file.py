"""The losses and accuracies of a run as they come, in ``metrics/metrics.csv``."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import CSVLogger

from semdd_lightning.atomic import writing


class MetricsFile(CSVLogger):
    """Lightning's CSV logger; a disk that refuses it is named.

    Args:
        directory: the run directory.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, name="", version="metrics")

    def save(self) -> None:
        """Write what came since it was last written."""
        with writing(Path(self.log_dir)):
            super().save()
