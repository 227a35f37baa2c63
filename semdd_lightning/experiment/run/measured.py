"""What a run measures of itself: images that it really evaluated, the most memory it had, its progress."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from semdd_lightning.data import EvaluationImages
from semdd_lightning.errors import ConfigError
from semdd_lightning.names import get_logger
from semdd_lightning.progress import SECONDS
from semdd_lightning.training.progress import overfits, steps_done, training_done

logger = get_logger(__name__)
LIMITS = {"validation": "limit_val_batches", "test": "limit_test_batches", "predict": "limit_predict_batches"}
VERBS = {"validation": "validated on", "test": "tested on", "predict": "predicted"}
STAGES = {"validate": "validation", "test": "test", "predict": "predict"}  # Lightning's names of them


class ImagesSeen(Callback):
    """Counts over all processes; what a split holds is another question.

    Attributes:
        images: images of the last evaluation of each split.
        steps: batches that the student had learnt from by then.
    """

    def __init__(self) -> None:
        self.images: dict[str, int] = {}
        self.steps: dict[str, int] = {}
        self._running = 0

    def shortfall(self, split: str, size: int, trainer: Trainer) -> str | None:
        """What is lacking of a split of so many images, in words; None where every image of it was seen."""
        seen = self.images.get(split, 0)
        if seen == size:
            return None
        limit = "overfit_batches" if split == "validation" and overfits(trainer) else LIMITS[split]
        value = getattr(trainer, limit)
        because = "" if value == 1.0 and isinstance(value, float) else f": {limit}={value}"
        return f"{VERBS[split]} {seen} of {size} images{because}"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse, by `ConfigError`, a share of the test split below a batch before training, not after it."""
        limit, data = trainer.limit_test_batches, trainer.datamodule  # type: ignore[attr-defined]
        if stage != "fit" or not isinstance(limit, float) or not 0 < limit < 1:
            return
        batches = data.test_batches()
        if 0 < batches * limit < 1:
            msg = (
                f"Expected a share of the test split of at least one of its {batches} batches, found "
                f"limit_test_batches={limit}; give a number of batches, as --trainer.limit_test_batches 1."
            )
            raise ConfigError(msg)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count anew."""
        self._running = 0

    on_test_epoch_start = on_predict_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, *_: object
    ) -> None:
        """Count this process's images."""
        if isinstance(batch, EvaluationImages):
            self._running += len(batch.rows)

    on_test_batch_end = on_predict_batch_end = on_validation_batch_end  # type: ignore[assignment] # by place

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the count of a split, unless it was a trial before training."""
        split = STAGES.get(trainer.state.stage or "")
        if split is not None:
            count = torch.tensor(self._running, device=trainer.strategy.root_device)
            self.images[split] = int(trainer.strategy.reduce(count, reduce_op="sum"))
            self.steps[split] = steps_done(trainer)

    on_test_epoch_end = on_predict_epoch_end = on_validation_epoch_end


_PROCESS = Path("/proc/self")  # Linux alone says it


def forget_peak() -> None:
    """Let the peaks begin anew, as a process may run several experiments one after another."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats()


def peak_bytes(device: torch.device) -> int | None:
    """The most that tensors took on a GPU, else that the process had in memory, since it was forgotten."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


class ProgressBar(RichProgressBar):
    """Rich progress without the logger's version number, which says nothing here."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class ProgressLines(Callback):
    """Says how far training is, in a log that somebody may follow, at most every so many seconds."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._began = self._said = 0.0
        self._first: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Time begins."""
        self._began = self._said = time.monotonic()
        self._first = None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Say it, if it is time."""
        now = time.monotonic()
        steps = steps_done(trainer)
        if self._first is None:
            self._first = steps - 1  # of a resumed training, not 0
        if not trainer.is_global_zero or now - self._said < self.seconds:
            return
        self._said = now
        done = training_done(trainer, trainer.datamodule)  # type: ignore[attr-defined]
        left = (now - self._began) / (steps - self._first) * (done.planned_steps - steps)
        logger.info(
            "Training: pass %d of %d, %s since it began, about %s to go",
            done.passes,
            done.planned_passes,
            timedelta(seconds=round(now - self._began)),
            timedelta(seconds=round(left)),
        )
