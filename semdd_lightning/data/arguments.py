"""What a data module was given, refused before an image is read where it cannot work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from semdd_lightning.data.augmentation import Augmentation
from semdd_lightning.data.image_sets import ImageSet
from semdd_lightning.data.pass_counts import check_replay
from semdd_lightning.data.seeds import check_seed
from semdd_lightning.data.storage import Storage
from semdd_lightning.errors import ConfigError
from semdd_lightning.given import require_kind, require_word
from semdd_lightning.selection import whole_number

COUNTS = ("num_classes", "image_size", "batch_size", "passes", "passes_per_epoch", "evaluation_batch_size")
SPLITS = ("train", "validation", "test", "predict")


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse arguments of an `ImageDataModule` that are of another kind, or make no sense.

    Args:
        given: the arguments by name.

    Raises:
        ConfigError: naming the first.
    """
    for name in COUNTS:
        whole_number(name, given[name], at_least=1, error=ConfigError)
    whole_number("num_workers", given["num_workers"], at_least=0, error=ConfigError)
    for name in SPLITS:
        require_kind(name, given[name], ImageSet)
    require_kind("augmentation", given["augmentation"], Augmentation)
    require_word("evaluation_view", given["evaluation_view"], ("cropped", "whole"))
    require_word("storage", given["storage"], ("auto", *get_args(Storage)))
    check_replay(given["passes"], given["mixing_group"], given["distinct_passes"])
    for name in ("augmentation_seed", "replay_seed"):
        if given[name] is not None:
            check_seed(name, given[name])
