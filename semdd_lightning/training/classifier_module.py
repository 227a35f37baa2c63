"""Lightning module that trains a classifier on hard labels: teachers, and students without a teacher."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import LRSchedulerConfigType, OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from semdd_lightning.data import EvaluationImages, ImageDataModule, TrainingImages
from semdd_lightning.errors import ConfigError
from semdd_lightning.models import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NetworkFactory,
    NormalizedNetwork,
    build_network,
)
from semdd_lightning.names import get_logger
from semdd_lightning.training.checkpoint_card import checkpoint_card, class_order_difference, training_history
from semdd_lightning.training.losses import mixed_label_loss
from semdd_lightning.training.optimisation import (
    CosineLR,
    ScheduleFactory,
    averaged_network,
    fused,
    parameter_groups,
)
from semdd_lightning.training.progress import TrainingDone, data_of, training_done, trial_steps

logger = get_logger(__name__)


def rded_optimizer(params: Any) -> Optimizer:  # noqa: ANN401 - what torch.optim takes
    """AdamW with RDED's values: learning rate 1e-3, betas (0.9, 0.999), weight decay 0.01."""
    return AdamW(params, lr=1e-3, betas=(0.9, 0.999), weight_decay=0.01)


class ClassifierModule(LightningModule):
    """Trains a network with cross entropy on (mixed) hard labels; reports top-1 and top-5.

    Args:
        network: a short name (conv3, resnet18_modified, resnetap10, ...), ``torchvision/NAME``,
            ``timm/NAME``, or a class with arguments that takes the number of classes and the image size.
        num_classes: number of classes; comes from the data.
        image_size: pixels per side that the network is built for; comes from the data.
        optimizer: optimiser; RDED's AdamW by default.
        schedule: learning-rate schedule, built from the optimiser and the number of passes and stepped once
            per pass; a cosine to zero by default.
        weight_decay_on: ``weights`` spares norms and biases (RDED), ``all`` decays every parameter.
        mean: mean of the network's input normalisation, for each channel; ImageNet's by default.
        std: its standard deviation.
        ema_decay: decay of a moving average of the weights over steps, which is then what is evaluated
            (default: no average; the weights themselves are).
    """

    def __init__(
        self,
        network: str | NetworkFactory,
        num_classes: int,
        image_size: int,
        optimizer: OptimizerCallable = rded_optimizer,
        schedule: ScheduleFactory = CosineLR,
        weight_decay_on: Literal["weights", "all"] = "weights",
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        ema_decay: float | None = None,
    ) -> None:
        super().__init__()
        if ema_decay is not None and not 0 < ema_decay < 1:
            msg = f"Expected ema_decay in (0, 1), found {ema_decay}; null keeps no average."
            raise ConfigError(msg)
        self.network_name = network if isinstance(network, str) else None
        self.num_classes = num_classes
        self.image_size = image_size
        self.optimizer = optimizer
        self.schedule = schedule
        self.trained: TrainingDone | None = None  # what a loaded checkpoint says of its training
        self._half_cosine = False  # of the schedule, once it is built
        self.weight_decay_on: Literal["weights", "all"] = weight_decay_on
        normalized = NormalizedNetwork(build_network(network, num_classes, image_size), image_size, mean, std)
        # convolutions run faster on CPU and GPU alike, and no number changes but in its last bits
        self.network = normalized.to(memory_format=torch.channels_last)
        self.averaged = None if ema_decay is None else averaged_network(self.network, ema_decay)
        tops = [k for k in (1, 5) if k <= num_classes]
        metrics = MetricCollection(
            {f"top{k}": MulticlassAccuracy(num_classes, top_k=k, average="micro") for k in tops}
        )
        self._epoch_losses: list[Tensor] = []
        self.val_metrics = metrics.clone(prefix="val_")
        self.test_metrics = metrics.clone(prefix="test_")

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images in [0, 1], (B, 3, H, W); of the averaged weights unless in training."""
        averaged = None if self.training else self.averaged
        logits: Tensor = self.network(images) if averaged is None else averaged(images)
        return logits

    @property
    def quirks(self) -> list[str]:
        """Names of the switches that are on only to match a reference implementation."""
        return ["half_cosine"] if self._half_cosine else []

    @property
    def label_record(self) -> dict[str, Any]:
        """What a result says of the labels that it was trained on; here the images' own classes."""
        return {"kind": "hard"}

    # ------------------------------------------------------------------ training

    def setup(self, stage: str) -> None:
        """Over several processes, batch statistics are the global batch's where the device can do that."""
        normalised = any(
            isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in self.network.modules()
        )
        if stage != "fit" or self.trainer.world_size == 1 or not normalised:
            return
        if self.trainer.strategy.root_device.type == "cuda":
            convert = nn.SyncBatchNorm.convert_sync_batchnorm
            self.network = convert(self.network)  # type: ignore[no-untyped-call]
            self.averaged = self.averaged and convert(self.averaged)  # type: ignore[no-untyped-call]
        else:
            logger.warning(
                "BatchNorm: each of the %d processes uses statistics of its own part of the batch, as there "
                "is no SyncBatchNorm on this device; the result depends on their number",
                self.trainer.world_size,
            )

    def on_fit_start(self) -> None:
        """The command line links epochs to passes; a trainer made by hand may disagree."""
        passes, of_epoch, epochs = self._data.passes, self._data.passes_per_epoch, self.trainer.max_epochs
        if epochs != passes // of_epoch and not trial_steps(self.trainer):
            logger.warning(
                "Expected max_epochs %d for %d passes at %d per epoch, found %s; the schedule counts passes",
                *(passes // of_epoch, passes, of_epoch, epochs),
            )

    def training_loss(self, batch: TrainingImages) -> Tensor:
        """Mean loss of this rank's part of the batch."""
        return mixed_label_loss(self(batch.images), batch.labels, batch.partner_labels, batch.ratio)

    def training_step(self, batch: TrainingImages, batch_idx: int) -> Tensor:
        """One step; the weight makes unevenly shared batches count as the global batch would."""
        loss = self.training_loss(batch) * batch.weight
        self._epoch_losses.append(loss.detach())  # a log at each step costs as much as a small student's step
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch's steps."""
        self.log("train_loss", torch.stack(self._epoch_losses).mean(), sync_dist=True)
        self._epoch_losses.clear()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as Lightning has it
        """One step of the optimiser, and of the average that follows it."""
        super().optimizer_step(*args, **kwargs)
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The injected optimiser over the student alone, and the schedule stepped once per pass."""
        data = self._data
        steps, accumulated = len(data.planner.batches), self.trainer.accumulate_grad_batches
        if steps % accumulated and data.passes_per_epoch > 1:
            msg = (
                f"Expected accumulate_grad_batches to divide the {steps} batches of a pass, found "
                f"{accumulated}; give passes_per_epoch 1, so that each pass ends with a step of what is left."
            )
            raise ConfigError(msg)
        optimizer = fused(self.optimizer(parameter_groups(self.network, self.weight_decay_on)))
        scheduler = self.schedule(optimizer, data.passes)
        self._half_cosine = isinstance(scheduler, CosineLR) and scheduler.stretch == 2
        once_a_pass: LRSchedulerConfigType = {"scheduler": scheduler, "interval": "step", "frequency": steps}
        return {"optimizer": optimizer, "lr_scheduler": once_a_pass}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what someone needs who uses this network as a teacher."""
        data, evaluated = self._data, self.network if self.averaged is None else self.averaged.module
        card = checkpoint_card(self.network, self.network_name, self.num_classes, data.registry)
        history = training_history(self.trainer, data, evaluated)
        own = {
            "training_images": data.training_digest,
            "averaged": self.averaged is not None,
            "trained": asdict(training_done(self.trainer, data)),
        }
        checkpoint["semdd"] = card | own | history
        checkpoint["epoch_losses"] = list(self._epoch_losses)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of other classes, or to go on training on other images.

        Raises:
            ConfigError: if classes, their order or the chosen images are not those of the checkpoint.
        """
        card, data = checkpoint.get("semdd"), self._data
        if card is None:
            msg = "Expected a checkpoint of this package, found another; give the last.ckpt of a run."
            raise ConfigError(msg)
        difference = class_order_difference(card, data.registry)
        resumes = self.trainer.state.fn == "fit"
        if difference is None and resumes and card["training_images"] != data.training_digest:
            difference = "it was trained on other images than are chosen now"
        if difference is not None:
            msg = (
                f"Expected a checkpoint that fits the data, found that {difference}; "
                "give the config.yaml of the run that wrote it."
            )
            raise ConfigError(msg)
        if (trained := card.get("trained")) is not None:
            self.trained = TrainingDone(**trained)
        self._epoch_losses = checkpoint.get("epoch_losses", []) if resumes else []

    # ------------------------------------------------------------------ evaluation

    def validation_step(self, batch: EvaluationImages, batch_idx: int) -> None:
        """Top-1 and top-5 on the validation split."""
        self._evaluate(batch, self.val_metrics)

    def test_step(self, batch: EvaluationImages, batch_idx: int) -> None:
        """Top-1 and top-5 on the test split."""
        self._evaluate(batch, self.test_metrics)

    def predict_step(self, batch: EvaluationImages, batch_idx: int) -> dict[str, Tensor]:
        """Rows of the split, labels and class probabilities."""
        return {"row": batch.rows, "label": batch.labels, "probability": self(batch.images).softmax(dim=1)}

    def _evaluate(self, batch: EvaluationImages, metrics: MetricCollection) -> None:
        logits = self(batch.images)
        if len(batch.labels):  # a rank's share of a small split can be empty; its forward still runs
            metrics.update(logits, batch.labels)
        self.log_dict(metrics, on_step=False, on_epoch=True, batch_size=len(batch.labels))

    @property
    def _data(self) -> ImageDataModule:
        return data_of(self.trainer)
