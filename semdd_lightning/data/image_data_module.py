"""Lightning data module over images in memory: the part that real data and selected pools share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import class_mapping
from semdd_lightning.data.image_settings import ImageSettings
from semdd_lightning.data.loaders import (
    EvaluationImages,
    EvaluationLoader,
    PassLoader,
    TrainingImages,
    TrainingIndices,
    augmented_batch,
    evaluation_batches,
)
from semdd_lightning.data.passes import PassPlanner
from semdd_lightning.data.storage import Decode, ImageStore, evaluation_view, square, store_images
from semdd_lightning.errors import ClassListError, ConfigError
from semdd_lightning.names import get_logger
from semdd_lightning.pools import ImageSet, ResolvedImages
from semdd_lightning.pools.listing import LabelledImages

logger = get_logger(__name__)
_SPLITS = {  # that a stage looks at; after training, the student is tested
    "fit": ("train", "validation", "test"),
    "validate": ("validation",),
    "test": ("test",),
    "predict": ("predict",),
}


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
    def process(self) -> tuple[int, int]:
        """Rank of this process, and the number of processes."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    @property
    def training_device(self) -> torch.device:
        """The device that this process trains on."""
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device

    @property
    def training_digest(self) -> str | None:
        """What identifies the training images of a selection; None where nothing is selected."""
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
        return evaluation_batches(len(self._open(self.test)), self.evaluation_batch_size, self.process[1])

    def check_images(self, count: int = 1000) -> tuple[Tensor, Tensor, str]:
        """At most ``count`` images to check a teacher on, uint8 (n, 3, S, S), labels (n,), what they are."""
        held_out = self._stores.get("validation")
        store = self._stores["train"] if held_out is None else held_out
        rows = torch.linspace(0, len(store) - 1, min(count, len(store))).round().long()
        what = "training images" if held_out is None else "held-out real images"
        return store.gather(rows), store.labels.cpu()[rows], what

    def training_pass(self, pass_index: int) -> Iterator[TrainingImages]:
        """Every training image as it looks in one pass, on the training device: for whoever labels them."""
        store = self._stores["train"]
        for indices in PassLoader(store, self.planner, 1, lambda: pass_index, num_workers=self.num_workers):
            yield augmented_batch(indices.to(self.training_device), store, self.augmentation)

    def plain_images(self, rows: Tensor) -> Tensor:
        """Training images in [0, 1], neither augmented nor mixed, on the training device, (n, 3, S, S)."""
        return self._stores["train"].gather(rows).to(self.training_device).float() / 255

    # ------------------------------------------------------------------ Lightning's hooks

    def prepare_data(self) -> None:
        """Fetch or generate what is missing, once per node, and see that all splits hold the same classes."""
        sets = [found for found in map(self._image_set, _SPLITS[self._stage]) if found is not None]
        for image_set in sets:
            image_set.prepare()
        for image_set in sets:
            class_mapping(self._resolve(image_set, self.registry).registry, self.registry)

    def setup(self, stage: str) -> None:
        """Decode what the stage needs and put it where it fits."""
        self._asked = stage
        if stage != "fit":
            self._store_split(*_SPLITS[stage])
            return
        if "train" not in self._stores:
            self._store_training_images(self._training_images())
        if self.validation is not None:
            self._store_split("validation")

    def train_dataloader(self) -> PassLoader:
        """Planned passes over the training images."""
        return PassLoader(
            self._stores["train"],
            self.planner,
            self.passes_per_epoch,
            lambda: self.trainer.current_epoch if self.trainer is not None else 0,
            *self.process,
            self.num_workers,
            self._batches_done,
        )

    def val_dataloader(self) -> Iterable[EvaluationImages]:
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
        if isinstance(batch, EvaluationImages):
            return batch._replace(images=batch.images.float() / 255)
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
        return self._open(self.train)

    def _resolve(self, image_set: ImageSet, default: ClassRegistry | None = None) -> ResolvedImages:
        """What a set holds, looked for the first time that somebody asks."""
        if id(image_set) not in self._resolved:
            self._resolved[id(image_set)] = image_set.resolve(default)
        return self._resolved[id(image_set)]

    @property
    def _stage(self) -> str:
        state = None if self.trainer is None else self.trainer.state.fn
        return self._asked if state is None else state.value

    # ------------------------------------------------------------------ private

    def _image_set(self, split: str) -> ImageSet | None:
        found: ImageSet | None = getattr(self, split)
        return self.test if found is None and split == "predict" else found

    def _open(self, image_set: ImageSet) -> LabelledImages:
        return self._resolve(image_set, self.registry).open(self.registry)

    def _store(self, images: LabelledImages, decode: Decode, device: torch.device) -> ImageStore:
        ranks = 1 if self.trainer is None else max(1, self.trainer.num_devices)  # of this machine
        return store_images(images, decode, device, self.storage, ranks)

    def _store_training_images(self, images: LabelledImages) -> None:
        decode = partial(square, image_size=self.image_size)
        self._stores["train"] = store = self._store(images, decode, self.training_device)
        self._planner = PassPlanner(
            len(store),
            self.batch_size,
            self.image_size,
            self.augmentation,
            self.drawing_seed,
            self.mixing_group,
            self.distinct_passes,
        )
        logger.info("Training: %s; %d steps per pass", store.description, len(self._planner.batches))
        if self.batch_size > len(store):
            logger.warning("batch_size %d is clamped to the %d images", self.batch_size, len(store))

    def _store_split(self, split: str) -> None:
        if split in self._stores:
            return
        image_set = self._image_set(split)
        if image_set is None:
            msg = f"Expected a {split} split, found none; give data.{split} an image set."
            raise ConfigError(msg)
        view = evaluation_view if self.evaluation_view == "cropped" else square
        decode = partial(view, image_size=self.image_size)
        self._stores[split] = self._store(self._open(image_set), decode, torch.device("cpu"))

    def _evaluation_loader(self, split: str) -> EvaluationLoader:
        store = self._stores[split]
        return EvaluationLoader(store, self.evaluation_batch_size, *self.process, self.num_workers)

    def _batches_done(self) -> int:
        """Batches of this epoch that a checkpoint within it counts, where training goes on from one."""
        if self.trainer is None:
            return 0
        loop = self.trainer.fit_loop
        epochs = cast("Any", loop.epoch_progress.current)  # of a class that Lightning types too widely
        within = epochs.started > epochs.processed
        return loop.epoch_loop.batch_progress.current.ready if within else 0
