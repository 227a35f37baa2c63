"""Lightning data module over images in memory: the part that real data and selected pools share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import class_mapping
from semdd_lightning.data.batches import EvaluationImages, TrainingImages, augmented_batch
from semdd_lightning.data.image_settings import (
    ImageSettings,
    batches_done,
    device_of,
    local_ranks_of,
    process_of,
)
from semdd_lightning.data.loaders import (
    EvaluationBatch,
    EvaluationLoader,
    PassLoader,
    TrainingIndices,
    evaluation_batches,
)
from semdd_lightning.data.passes import PassPlanner
from semdd_lightning.data.storage import ImageStore, evaluation_view, square, store_images
from semdd_lightning.errors import ClassListError, ConfigError
from semdd_lightning.names import get_logger
from semdd_lightning.pools import ImageSet, ResolvedImages
from semdd_lightning.pools.listing import LabelledImages

logger = get_logger(__name__)


class ImageDataModule(ImageSettings):
    """Real images, nothing selected: what teachers are trained on.

    The images are decoded once and live where they fit, on the training device if possible; augmentation
    is batched there. A batch is one image tensor in [0, 1]; networks own resize and normalisation.

    What it is given stands, with its meaning, in `ImageSettings`.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._asked: str = "fit"  # the stage of the last setup, for who has no trainer
        self._registry: ClassRegistry | None = None
        self._resolved: dict[int, ResolvedImages] = {}  # what was found of each set, so that it is found once
        self._stores: dict[str, ImageStore] = {}
        self._planner: PassPlanner | None = None

    # ------------------------------------------------------------------ what others ask for

    @property
    def registry(self) -> ClassRegistry:
        """The classes in their order, known from ``setup`` on."""
        if self._registry is None:
            self._registry = self._find_registry()
            if len(self._registry) != self.num_classes:
                msg = (
                    f"Expected {self.num_classes} classes (num_classes), found {len(self._registry)} in the "
                    "data; correct num_classes or the class list."
                )
                raise ClassListError(msg)
        return self._registry

    @property
    def planner(self) -> PassPlanner:
        """Order and draws of the training passes, known from ``setup('fit')`` on."""
        if self._planner is None:
            msg = "Expected setup('fit') to have run, found no training images; run it first."
            raise ConfigError(msg)
        return self._planner

    @property
    def training_digest(self) -> str | None:
        """What identifies the training images of a selection; none where nothing is selected."""
        return None

    def split_sizes(self) -> dict[str, int]:
        """Images of each split that was set up."""
        return {split: len(store) for split, store in self._stores.items()}

    def split_paths(self, split: str) -> list[str]:
        """Relative path of each image of a split that was set up; made up where it is no file of its own."""
        return self._stores[split].images.paths()

    def test_batches(self) -> int:
        """Batches that each process will have of the test split, known before that is set up."""
        if self.test is None:
            return 0
        images = len(self._resolve(self.test, self.registry).open(self.registry))
        return evaluation_batches(images, self.evaluation_batch_size, process_of(self.trainer)[1])

    def check_images(self, count: int = 1000) -> tuple[Tensor, Tensor, str]:
        """At most ``count`` images to check a teacher on, uint8 (n, 3, S, S), labels (n,), what they are."""
        split = "validation" if "validation" in self._stores else "train"
        store = self._stores[split]
        rows = torch.linspace(0, len(store) - 1, min(count, len(store))).round().long()
        what = "held-out real images" if split == "validation" else "training images"
        return store.gather(rows), store.labels.cpu()[rows], what

    def training_pass(self, pass_index: int) -> Iterator[TrainingImages]:
        """Every training image as it looks in one pass, on the training device: for whoever labels them."""
        loader = PassLoader(
            self._stores["train"], self.planner, 1, lambda: pass_index, num_workers=self.num_workers
        )
        for indices in loader:
            yield augmented_batch(
                indices.to(device_of(self.trainer)), self._stores["train"], self.augmentation
            )

    def plain_images(self, rows: Tensor) -> Tensor:
        """Training images in [0, 1], neither augmented nor mixed, on the training device, (n, 3, S, S)."""
        return self._stores["train"].gather(rows).to(device_of(self.trainer)).float() / 255

    # ------------------------------------------------------------------ Lightning's hooks

    def prepare_data(self) -> None:
        """Fetch or generate what is missing, once a node, and see that all splits hold the same classes."""
        splits = [split for split in self._splits_of_stage() if split is not None]
        for split in splits:
            split.prepare()
        for split in splits:
            class_mapping(self._resolve(split, self.registry).registry, self.registry)

    def setup(self, stage: str) -> None:
        """Decode what the stage needs and put it where it fits."""
        self._asked = stage
        if stage == "fit" and "train" not in self._stores:
            self._store_training_images(self._training_images())
        if stage == "validate" or (stage == "fit" and self.validation is not None):
            self._store_split("validation", self.validation)
        if stage == "test":
            self._store_split("test", self.test)
        if stage == "predict":
            self._store_split("predict", self.test if self.predict is None else self.predict)

    def train_dataloader(self) -> PassLoader:
        """Planned passes over the training images."""
        rank, world_size = process_of(self.trainer)
        return PassLoader(
            self._stores["train"],
            self.planner,
            self.passes_per_epoch,
            epoch=lambda: self.trainer.current_epoch if self.trainer is not None else 0,
            done=lambda: batches_done(self.trainer),
            rank=rank,
            world_size=world_size,
            num_workers=self.num_workers,
        )

    def val_dataloader(self) -> Iterable[EvaluationBatch]:
        """The validation split; empty where there is none."""
        return self._evaluation_loader("validation") if "validation" in self._stores else []

    def test_dataloader(self) -> EvaluationLoader:
        """The test split."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> EvaluationLoader:
        """The images to predict."""
        return self._evaluation_loader("predict")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ANN401 - Lightning's
        """Turn indices into augmented images in [0, 1], on the device."""
        if isinstance(batch, TrainingIndices):
            return augmented_batch(batch, self._stores["train"], self.augmentation)
        if isinstance(batch, EvaluationBatch):
            return EvaluationImages(batch.images.float() / 255, batch.labels, batch.rows)
        return batch

    # ------------------------------------------------------------------ for subclasses

    def _find_registry(self) -> ClassRegistry:
        for image_set in (self.train, self.validation, self.test, self.predict):
            if image_set is not None:
                return self._resolve(image_set).registry
        msg = "Expected at least one image set, found none; give train, validation, test or predict."
        raise ConfigError(msg)

    def _training_images(self) -> LabelledImages:
        if self.train is None:
            msg = "Expected training images for fit, found train: null; give an image set."
            raise ConfigError(msg)
        return self._resolve(self.train, self.registry).open(self.registry)

    def _resolve(self, image_set: ImageSet, default: ClassRegistry | None = None) -> ResolvedImages:
        """What a set holds, looked for the first time that somebody asks."""
        if id(image_set) not in self._resolved:
            self._resolved[id(image_set)] = image_set.resolve(default)
        return self._resolved[id(image_set)]

    # ------------------------------------------------------------------ private

    @property
    def _trains(self) -> bool:
        """Whether a student is trained, and not only an old one evaluated."""
        return self._stage == "fit"

    @property
    def _stage(self) -> str:
        state = None if self.trainer is None else self.trainer.state.fn
        return self._asked if state is None else state.value

    def _splits_of_stage(self) -> tuple[ImageSet | None, ...]:
        """The splits that will be looked at; after training, the student is tested."""
        splits: dict[str, tuple[ImageSet | None, ...]] = {
            "fit": (self.train, self.validation, self.test),
            "validate": (self.validation,),
            "test": (self.test,),
            "predict": (self.test if self.predict is None else self.predict,),
        }
        return splits[self._stage]

    def _store_training_images(self, images: LabelledImages) -> None:
        decode = partial(square, image_size=self.image_size)
        store = store_images(
            images, decode, device_of(self.trainer), self.storage, local_ranks_of(self.trainer)
        )
        self._stores["train"] = store
        self._planner = PassPlanner(
            len(store),
            self.batch_size,
            self.image_size,
            self.augmentation,
            self.drawing_seed,
            self.mixing_group,
            self.distinct_passes,
        )
        logger.info("Training: %s; %d steps a pass", store.description, len(self._planner.batches))
        if self.batch_size > len(store):
            logger.warning("batch_size %d is clamped to the %d images", self.batch_size, len(store))

    def _store_split(self, split: str, image_set: ImageSet | None) -> None:
        if split in self._stores:
            return
        if image_set is None:
            msg = f"Expected a {split} split, found none; give data.{split} an image set."
            raise ConfigError(msg)
        view = evaluation_view if self.evaluation_view == "cropped" else square
        decode = partial(view, image_size=self.image_size)
        images = self._resolve(image_set, self.registry).open(self.registry)
        self._stores[split] = store_images(
            images, decode, torch.device("cpu"), self.storage, local_ranks_of(self.trainer)
        )

    def _evaluation_loader(self, split: str) -> EvaluationLoader:
        rank, world_size = process_of(self.trainer)
        return EvaluationLoader(
            self._stores[split], self.evaluation_batch_size, rank, world_size, self.num_workers
        )
