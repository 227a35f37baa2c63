"""The settings of a data module, refused before an image is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, SupportsIndex, get_args

from lightning.pytorch import LightningDataModule

from semdd_lightning.data.augmentation import Augmentation
from semdd_lightning.data.storage import Storage
from semdd_lightning.errors import ConfigError
from semdd_lightning.given import require_kind, require_word
from semdd_lightning.pools import ImageSet
from semdd_lightning.selection import whole_number

COUNTS = ("num_classes", "image_size", "batch_size", "passes", "passes_per_epoch", "evaluation_batch_size")
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
        evaluation_batch_size: images per batch and device in evaluation.
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
        for name in ("train", "validation", "test", "predict"):
            require_kind(name, getattr(self, name), ImageSet)
        require_kind("augmentation", self.augmentation, Augmentation)
        require_word("evaluation_view", self.evaluation_view, ("cropped", "whole"))
        require_word("storage", self.storage, ("auto", *get_args(Storage)))
        if self.mixing_group is not None and self.mixing_group < 2:
            msg = f"Expected mixing_group of at least 2, found {self.mixing_group}; one image has no partner."
            raise ConfigError(msg)
        if not 1 <= self.drawn_passes <= self.passes:
            msg = (
                f"Expected distinct_passes between 1 and the {self.passes} passes, found "
                f"{self.distinct_passes}; null draws every pass anew."
            )
            raise ConfigError(msg)
        for name, seed in (("augmentation_seed", self.augmentation_seed), ("replay_seed", self.drawing_seed)):
            check_seed(name, seed)
        self.passes_per_epoch = whole_epoch(self.passes, self.passes_per_epoch)

    @property
    def drawing_seed(self) -> int:
        """Seed of order, augmentation and mixing."""
        return self.augmentation_seed if self.replay_seed is None else self.replay_seed

    @property
    def drawn_passes(self) -> int:
        """Passes that are drawn; the others repeat them in rotation."""
        return self.passes if self.distinct_passes is None else self.distinct_passes


def whole_epoch(passes: int, passes_per_epoch: int) -> int:
    """Passes of one epoch: the largest number up to what is asked that makes whole epochs.

    How many it is changes no number, only how often Lightning keeps its books.

    Examples:
        >>> [whole_epoch(300, asked) for asked in (10, 7, 1000)]
        [10, 6, 300]
    """
    return next(count for count in range(min(passes, passes_per_epoch), 0, -1) if passes % count == 0)


def epochs_of(passes: int, passes_per_epoch: int) -> int:
    """Lightning epochs that a number of passes makes."""
    return passes // whole_epoch(passes, passes_per_epoch)


def check_seed(name: str, seed: int) -> None:
    """Refuse a seed that not every generator takes.

    Raises:
        ConfigError: if it is below 0 or above `LARGEST_SEED`.
    """
    if not isinstance(seed, SupportsIndex) or not 0 <= seed <= LARGEST_SEED:
        msg = f"Expected {name} from 0 to {LARGEST_SEED}, found {seed}; give another."
        raise ConfigError(msg)
