"""How far a training went, by the trainer's own counters, and the best of several tests on its way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer
from torchmetrics.classification import MulticlassAccuracy

from semdd_lightning.data import ImageDataModule
from semdd_lightning.errors import ConfigError
from semdd_lightning.names import get_logger

logger = get_logger(__name__)


@dataclass(frozen=True)
class TrainingDone:
    """What a student was trained, beside what its schedule counts on.

    Attributes:
        steps: batches that it learnt from, those of an earlier leg of a resumed run among them.
        planned_steps: batches of the whole training.
        passes: whole passes over the training images.
        planned_passes: passes of the whole training.
        ended_by: the settings that cut it short, in words; None where nothing did, or nobody knows yet.
    """

    steps: int
    planned_steps: int
    passes: int
    planned_passes: int
    ended_by: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the training reached the end of its schedule."""
        return self.steps == self.planned_steps and self.passes == self.planned_passes

    def moment(self, steps: int) -> str:
        """When a student of so many steps is looked at, in words.

        Examples:
            >>> done = TrainingDone(8, 8, 4, 4)
            >>> [done.moment(steps) for steps in (3, 4, 8)]
            ['after 3 of 8 steps', 'after pass 2 of 4', 'after the last pass']
        """
        of_pass = self.planned_steps // self.planned_passes
        if self.passes * of_pass != self.steps - self.steps % of_pass or steps % of_pass:
            return f"after {steps} of {self.planned_steps} steps"
        if steps == self.planned_steps:
            return "after the last pass"
        return f"after pass {steps // of_pass} of {self.planned_passes}"

    @property
    def shortfall(self) -> str | None:
        """What is lacking, in words; None where nothing is.

        Examples:
            >>> TrainingDone(3, 8, 1, 4, "max_steps=3").shortfall
            'trained 3 of 8 steps (1 of 4 passes): max_steps=3'
        """
        if self.whole:
            return None
        because = "" if self.ended_by is None else f": {self.ended_by}"
        count = f"trained {self.steps} of {self.planned_steps} steps"
        return f"{count} ({self.passes} of {self.planned_passes} passes){because}"


def training_done(trainer: Trainer, data: ImageDataModule) -> TrainingDone:
    """What a trainer has done so far.

    Args:
        trainer: a trainer that fits or has fitted.
        data: its data module, after ``setup('fit')``.
    """
    steps, of_pass = steps_done(trainer), len(data.planner.batches)
    of_epoch = int(trainer.num_training_batches) if steps else of_pass  # fewer where batches are limited
    epochs, begun = divmod(steps, of_epoch)
    passes = epochs * (of_epoch // of_pass) + begun // of_pass
    done = TrainingDone(steps, data.passes * of_pass, passes, data.passes)
    if done.whole:
        return done
    reasons = _reasons(trainer, limited=of_epoch < data.passes_per_epoch * of_pass)
    return replace(done, ended_by=", ".join(reasons) or None)


def steps_done(trainer: Trainer) -> int:
    """Training batches that a trainer has been through, those before it was resumed included."""
    done: int = trainer.fit_loop.epoch_loop.batch_progress.total.processed  # type: ignore[attr-defined]
    return done


def trial_steps(trainer: Trainer) -> int | bool:
    """What ``fast_dev_run`` was set to; false for a run that is none."""
    return trainer.fast_dev_run  # type: ignore[attr-defined, no-any-return] # set where mypy does not look


def overfits(trainer: Trainer) -> bool:
    """Whether ``overfit_batches`` is on."""
    return trainer.overfit_batches > 0  # type: ignore[attr-defined, no-any-return]


def data_of(trainer: Trainer) -> ImageDataModule:
    """The data module of a trainer.

    Raises:
        ConfigError: if it is none of this package.
    """
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, ImageDataModule):
        msg = (
            f"Expected a data module of this package, found {type(data).__name__}; pass "
            "PoolDataModule or ImageDataModule to the trainer as datamodule=."
        )
        raise ConfigError(msg)
    return data


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
        data = data_of(trainer)
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
        data = data_of(trainer)
        done, rest = divmod(batch_idx + 1, len(data.planner.batches))
        passed = trainer.current_epoch * data.passes_per_epoch + done
        if data.test is None or rest or passed == data.passes or trainer.limit_test_batches == 0:
            return
        if evaluated_after(passed, data.passes, self.every, self.after):
            self.top1[passed] = accuracy_on_test(trainer, pl_module, data)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The test of a finished training is the last one."""
        if trainer.global_step and (done := training_done(trainer, data_of(trainer))).whole:
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
        batch = trainer.strategy.batch_to_device(loaded)
        with trainer.precision_plugin.forward_context():
            logits = module(batch.images)
        if len(batch.labels):  # a rank's share of a small split can be empty; its forward still runs
            metric.update(logits, batch.labels)
    module.train(training)
    return float(metric.compute())


def _reasons(trainer: Trainer, *, limited: bool) -> list[str]:
    """Every setting that has cut a training short."""
    if trial := trial_steps(trainer):
        return [f"fast_dev_run={trial}"]
    found = []
    if limited or trainer.limit_train_batches == 0:
        name = "overfit_batches" if overfits(trainer) else "limit_train_batches"
        found.append(f"{name}={getattr(trainer, name)}")
    if 0 <= trainer.max_steps <= trainer.global_step:
        found.append(f"max_steps={trainer.max_steps}")
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Timer):
            remaining = callback.time_remaining()
            found += ["max_time"] if remaining is not None and remaining <= 0 else []
        elif isinstance(callback, EarlyStopping) and _stopped(callback):
            found.append(f"EarlyStopping on {callback.monitor}")
    if trainer.interrupted:
        found.append("interrupted")
    elif trainer.should_stop and not found:
        found.append("stopped by a callback")
    if not found and trainer.current_epoch == trainer.max_epochs:
        found.append(f"max_epochs={trainer.max_epochs}")
    return found


def _stopped(callback: EarlyStopping) -> bool:
    """Whether it did; before Lightning 2.6 a stop in the first epoch can be told by its patience alone."""
    said = getattr(callback, "stopping_reason_message", None)
    return said is not None or callback.stopped_epoch > 0 or callback.wait_count >= callback.patience
