"""How far a training went, of what was asked, and what ended it: by the trainer's own counters."""

from __future__ import annotations

from dataclasses import dataclass

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer

from semdd_lightning.data import ImageDataModule


@dataclass(frozen=True)
class TrainingDone:
    """What a student was trained, beside what its schedule counts on.

    Attributes:
        steps: batches that it learnt from, those of an earlier leg of a resumed run among them.
        planned_steps: batches of the whole training.
        passes: whole passes over the training images.
        planned_passes: passes of the whole training.
        ended_by: the settings that cut it short, in words; none where nothing did, or nobody knows yet.
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
        passes = steps // of_pass
        return (
            "after the last pass"
            if steps == self.planned_steps
            else f"after pass {passes} of {self.planned_passes}"
        )

    @property
    def shortfall(self) -> str | None:
        """What is lacking, in words; none where nothing is.

        Examples:
            >>> TrainingDone(3, 8, 1, 4, "max_steps=3").shortfall
            'trained 3 of 8 steps (1 of 4 passes): max_steps=3'
        """
        if self.whole:
            return None
        count = f"trained {self.steps} of {self.planned_steps} steps"
        found = f"{count} ({self.passes} of {self.planned_passes} passes)"
        return found if self.ended_by is None else f"{found}: {self.ended_by}"


def training_done(trainer: Trainer, data: ImageDataModule) -> TrainingDone:
    """What a trainer has done so far.

    Args:
        trainer: a trainer that fits or has fitted.
        data: its data module, after ``setup('fit')``.
    """
    steps, of_pass = steps_done(trainer), len(data.planner.batches)
    of_epoch = int(trainer.num_training_batches) if steps else of_pass  # fewer where batches are limited
    epochs, begun = divmod(steps, of_epoch)
    done = TrainingDone(
        steps=steps,
        planned_steps=data.passes * of_pass,
        passes=epochs * (of_epoch // of_pass) + begun // of_pass,
        planned_passes=data.passes,
    )
    if done.whole:
        return done
    reasons = _reasons(trainer, limited=of_epoch < data.passes_per_epoch * of_pass)
    return TrainingDone(**{**vars(done), "ended_by": ", ".join(reasons) or None})


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


def _reasons(trainer: Trainer, *, limited: bool) -> list[str]:
    """Every setting that has cut a training short."""
    if trial := trial_steps(trainer):
        return [f"fast_dev_run={trial}"]
    found = []
    if limited or trainer.limit_train_batches == 0:
        overfit = overfits(trainer)
        name = "overfit_batches" if overfit else "limit_train_batches"
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
