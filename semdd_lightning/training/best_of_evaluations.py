"""The best of several tests, which some methods report: shown beside the accuracy after the last pass."""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torchmetrics.classification import MulticlassAccuracy

from semdd_lightning.data import EvaluationImages, ImageDataModule
from semdd_lightning.errors import ConfigError
from semdd_lightning.names import get_logger
from semdd_lightning.training.training_done import training_done

logger = get_logger(__name__)


class BestOfEvaluations(Callback):
    """Tests the student now and then while it trains, and keeps each top-1 accuracy.

    The test after the last pass is that of ``trainer.test``, which follows the training: it counts as the
    last of them and is not made twice. ``limit_test_batches`` holds for all of them.

    A maximum over tests is not an accuracy that one could have chosen the student by; it is here because
    published numbers are such maxima. Nothing is steered by it.

    Args:
        every: passes from one test to the next, and the last one (default: a hundredth of all).
        after: share of the passes before the first test, in [0, 1).
    """

    def __init__(self, every: int | None = None, after: float = 0.0) -> None:
        if (every is not None and every < 1) or not 0 <= after < 1:
            msg = f"Expected every >= 1 and after in [0, 1), found {every} and {after}; RDED has 10 and 0.8."
            raise ConfigError(msg)
        self.every = every
        self.after = after
        self.top1: dict[int, float] = {}

    @property
    def quirk(self) -> str:
        """Its name in a result."""
        return f"best_of_{len(self.top1)}"

    @property
    def best(self) -> dict[str, Any] | None:
        """The highest top-1 accuracy and its pass, out of how many, and the ``tests`` by pass; or none."""
        if not self.top1:
            return None
        passed, top1 = max(self.top1.items(), key=lambda item: item[1])
        tests = {str(after): accuracy for after, accuracy in self.top1.items()}
        return {"top1": top1, "after_pass": passed, "evaluations": len(self.top1), "tests": tests}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Decode the test split, or say that there is none."""
        data = _data(trainer)
        if data.test is None:
            logger.warning("There is no test split, so no best of several tests is reported.")
        else:
            data.setup("test")

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - as Lightning has it
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Test the student if a pass has ended that asks for it."""
        data = _data(trainer)
        steps = len(data.planner.batches)
        done, rest = divmod(batch_idx + 1, steps)
        passed = trainer.current_epoch * data.passes_per_epoch + done
        if data.test is None or rest or passed == data.passes or trainer.limit_test_batches == 0:
            return
        if evaluated_after(passed, data.passes, self.every, self.after):
            self.top1[passed] = accuracy_on_test(trainer, pl_module, data)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The test of a finished training is the last one."""
        if trainer.global_step and (done := training_done(trainer, _data(trainer))).whole:
            self.top1[done.passes] = float(trainer.callback_metrics["test_top1"])

    def state_dict(self) -> dict[str, Any]:
        """Accuracies so far, for a run that is resumed."""
        return {"top1": dict(self.top1)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them."""
        self.top1 = {int(passed): float(top1) for passed, top1 in state_dict["top1"].items()}


def evaluated_after(passed: int, passes: int, every: int | None, after: float) -> bool:
    """Whether the student is tested once ``passed`` of ``passes`` passes are done.

    RDED counts epochs from 0 and tests epoch e where ``e % 10 == 9 or e == E - 1``, if ``e > 0.8 * E``. The
    last pass is tested however few there are.

    Examples:
        >>> [passed for passed in range(1, 301) if evaluated_after(passed, 300, 10, 0.8)]
        [250, 260, 270, 280, 290, 300]
    """
    between = max(1, passes // 100) if every is None else every
    late = after == 0 or passed - 1 > passes * after
    return passed == passes or (passed % between == 0 and late)


@torch.no_grad()
def accuracy_on_test(trainer: Trainer, module: LightningModule, data: ImageDataModule) -> float:
    """Top-1 accuracy on the test split, over all processes; the module is left as it was."""
    metric = MulticlassAccuracy(data.num_classes, average="micro").to(module.device)
    training = module.training
    module.eval()
    loader, limit = data.test_dataloader(), trainer.limit_test_batches
    for loaded in islice(loader, limit if isinstance(limit, int) else max(1, int(limit * len(loader)))):
        batch = data.on_after_batch_transfer(trainer.strategy.batch_to_device(loaded), 0)
        if not isinstance(batch, EvaluationImages):
            msg = (
                f"Expected a batch of the test split, found {type(batch).__name__}; use this package's data."
            )
            raise ConfigError(msg)
        with trainer.precision_plugin.forward_context():
            logits = module(batch.images)
        if len(batch.labels):  # a rank's share of a small split can be empty; its forward still runs
            metric.update(logits, batch.labels)
    module.train(training)
    return float(metric.compute())


def _data(trainer: Trainer) -> ImageDataModule:
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, ImageDataModule):
        msg = f"Expected a data module of this package, found {type(data).__name__}; pass it as datamodule=."
        raise ConfigError(msg)
    return data
