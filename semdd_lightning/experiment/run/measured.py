"""What a run measures of itself: the images that it really evaluated, and the most memory it had."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from semdd_lightning.data import EvaluationImages
from semdd_lightning.errors import ConfigError
from semdd_lightning.training.progress import overfits, steps_done

LIMITS = {"validation": "limit_val_batches", "test": "limit_test_batches", "predict": "limit_predict_batches"}
VERBS = {"validation": "validated on", "test": "tested on", "predict": "predicted"}


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
        """What is lacking of a split, in words; none where every image of it was seen.

        Args:
            split: validation, test or predict.
            size: images that it holds.
            trainer: whose limits they are.
        """
        seen = self.images.get(split, 0)
        if seen == size:
            return None
        limit = "overfit_batches" if split == "validation" and overfits(trainer) else LIMITS[split]
        value = getattr(trainer, limit)
        because = "" if value == 1.0 and isinstance(value, float) else f": {limit}={value}"
        return f"{VERBS[split]} {seen} of {size} images{because}"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a share of the test split that is less than a batch before training, not after it.

        Raises:
            ConfigError: as Lightning would say when the student is trained.
        """
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
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - as Lightning has it
        batch: Any,  # noqa: ANN401
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count this process's images."""
        if isinstance(batch, EvaluationImages):
            self._running += len(batch.rows)

    on_test_batch_end = on_predict_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the count of the validation split, unless it was a trial before training."""
        if not trainer.sanity_checking:
            self._keep("validation", trainer)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the count of the test split."""
        self._keep("test", trainer)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the count of the images to predict."""
        self._keep("predict", trainer)

    def _keep(self, split: str, trainer: Trainer) -> None:
        count = torch.tensor(self._running, device=trainer.strategy.root_device)
        self.images[split] = int(trainer.strategy.reduce(count, reduce_op="sum"))
        self.steps[split] = steps_done(trainer)


_PROCESS = Path("/proc/self")  # Linux alone says it


def forget_peak() -> None:
    """Let the peaks begin anew, as a process may run several experiments one after another."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats()


def peak_bytes(device: torch.device) -> int | None:
    """The most that tensors took on a GPU, else that the process had in memory, since it was forgotten.

    Args:
        device: where it trains.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None
