"""What a data module is given: by its config, refused before an image is read, and by its trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex, cast, get_args

import torch
from lightning.pytorch import LightningDataModule, Trainer

from semdd_lightning.data.augmentation import Augmentation
from semdd_lightning.data.storage import Storage
from semdd_lightning.errors import ConfigError
from semdd_lightning.given import require_kind, require_word
from semdd_lightning.pools import ImageSet
from semdd_lightning.selection import whole_number

COUNTS = ("num_classes", "image_size", "batch_size", "passes", "passes_per_epoch", "evaluation_batch_size")
SPLITS = ("train", "validation", "test", "predict")
LARGEST_SEED = 2**32 - 1  # NumPy's


@dataclass(eq=False, repr=False)
class ImageSettings(LightningDataModule):
    """The settings of a data module; a dataclass, so that each stands once with its type and meaning.

    Args:
        train: training images; null where only evaluation is wanted.
        num_classes: number of classes, also given to the model.
        image_size: pixels per side of training images, also given to the model.
        test: test split; it is looked at only by ``test`` and ``predict``.
        validation: validation split, never the test split; it also serves the check of a teacher.
        predict: images for ``predict`` (default: the test split).
        batch_size: global batch size, over all devices; clamped to the number of images.
        passes: visits to every training image in the whole training.
        passes_per_epoch: passes that make one Lightning epoch, at most: the largest number that divides
            ``passes`` is taken.
        augmentation: what happens to a training image.
        augmentation_seed: seed of order, augmentation and mixing.
        mixing_group: images that share partners and one mixing (default: batch_size). Labels stored for one
            batch size serve another as long as this stays what it was.
        distinct_passes: passes whose augmentation is drawn; later ones repeat them in rotation, so that fewer
            soft labels need to be stored. None draws every pass anew.
        replay_seed: augmentation seed of stored soft labels, so that students of any seed learn from them
            (default: augmentation_seed).
        evaluation_batch_size: images a batch and device in evaluation.
        evaluation_view: what of a real image is looked at: cropped resizes its shorter side to
            ``image_size // 7 * 8`` and cuts the centre (RDED, SRe2L), whole resizes it to ``image_size``
            (Minimax Diffusion).
        storage: where training images live; auto takes the first of device, host, disk that fits.
        num_workers: processes that decode images which live on disk.

    Raises:
        ConfigError: if one is of another kind, or makes no sense.
    """

    train: ImageSet | None
    num_classes: int
    image_size: int
    test: ImageSet | None = None
    validation: ImageSet | None = None
    predict: ImageSet | None = None
    batch_size: int = 128
    passes: int = 30
    passes_per_epoch: int = 1
    augmentation: Augmentation = Augmentation()  # noqa: RUF009 - frozen
    augmentation_seed: int = 0
    mixing_group: int | None = None
    distinct_passes: int | None = None
    replay_seed: int | None = None
    evaluation_batch_size: int = 500
    evaluation_view: Literal["cropped", "whole"] = "cropped"
    storage: Storage | Literal["auto"] = "auto"
    num_workers: int = 4

    def __post_init__(self) -> None:
        super().__init__()
        for name in COUNTS:
            whole_number(name, getattr(self, name), at_least=1, error=ConfigError)
        whole_number("num_workers", self.num_workers, at_least=0, error=ConfigError)
        for name in SPLITS:
            require_kind(name, getattr(self, name), ImageSet)
        require_kind("augmentation", self.augmentation, Augmentation)
        require_word("evaluation_view", self.evaluation_view, ("cropped", "whole"))
        require_word("storage", self.storage, ("auto", *get_args(Storage)))
        self._check_replay()
        for name in ("augmentation_seed", "replay_seed"):
            if getattr(self, name) is not None:
                check_seed(name, getattr(self, name))
        self.passes_per_epoch = whole_epoch(self.passes, self.passes_per_epoch)

    @property
    def drawing_seed(self) -> int:
        """Seed of order, augmentation and mixing."""
        return self.augmentation_seed if self.replay_seed is None else self.replay_seed

    @property
    def drawn_passes(self) -> int:
        """Passes that are drawn; the others repeat them in rotation."""
        return self.passes if self.distinct_passes is None else self.distinct_passes

    def _check_replay(self) -> None:
        if self.mixing_group is not None and self.mixing_group < 2:
            msg = f"Expected mixing_group of at least 2, found {self.mixing_group}; one image has no partner."
            raise ConfigError(msg)
        if self.distinct_passes is not None and not 1 <= self.distinct_passes <= self.passes:
            msg = (
                f"Expected distinct_passes between 1 and the {self.passes} passes, found "
                f"{self.distinct_passes}; null draws every pass anew."
            )
            raise ConfigError(msg)


def whole_epoch(passes: int, passes_per_epoch: int) -> int:
    """Passes of one epoch: the largest number up to what is asked that makes whole epochs.

    How many it is changes no number, only how often Lightning keeps its books.

    Examples:
        >>> [whole_epoch(300, asked) for asked in (10, 7, 1000)]
        [10, 6, 300]
    """
    return next(count for count in range(min(passes, passes_per_epoch), 0, -1) if passes % count == 0)


def epochs_of(passes: int, passes_per_epoch: int) -> int:
    """Lightning epochs that a number of passes makes.

    Examples:
        >>> epochs_of(300, 10)
        30
    """
    return passes // whole_epoch(passes, passes_per_epoch)


def check_seed(name: str, seed: int) -> None:
    """Refuse a seed that not every generator takes.

    Raises:
        ConfigError: if it is below 0 or above `LARGEST_SEED`.
    """
    if not isinstance(seed, SupportsIndex) or not 0 <= seed <= LARGEST_SEED:
        msg = f"Expected {name} from 0 to {LARGEST_SEED}, found {seed}; give another."
        raise ConfigError(msg)


def process_of(trainer: Trainer | None) -> tuple[int, int]:
    """Rank of this process and number of processes."""
    return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)


def device_of(trainer: Trainer | None) -> torch.device:
    """The device that this process trains on."""
    return torch.device("cpu") if trainer is None else trainer.strategy.root_device


def local_ranks_of(trainer: Trainer | None) -> int:
    """Processes of this machine."""
    return 1 if trainer is None else max(1, trainer.num_devices)


def batches_done(trainer: Trainer | None) -> int:
    """Batches of this epoch that a checkpoint within it counts, where training goes on from one."""
    if trainer is None:
        return 0
    loop = trainer.fit_loop
    epochs = cast("Any", loop.epoch_progress.current)  # of a class that Lightning types too widely
    within = epochs.started > epochs.processed
    return loop.epoch_loop.batch_progress.current.ready if within else 0
