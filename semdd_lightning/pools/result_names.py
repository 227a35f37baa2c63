"""What the names of result files say: DC, DSA and DM write ``res_{method}_{data}_{model}_{ipc}ipc.pt``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.datasets import DATASETS
from semdd_lightning.pools.normalizations import NormalizationName

_NAME = re.compile(r"res_[^_]+_([^_]+)_.+_\d+ipc\.pt", re.IGNORECASE)

# For each data set of these methods what their code normalises it by (`get_dataset` in DC's utils), and our
# name of it, which has its classes in the order of its labels.
_DATA_SETS: dict[str, tuple[NormalizationName, str | None]] = {
    "mnist": ("mnist", None),
    "fashionmnist": ("fashion_mnist", None),
    "svhn": ("svhn", None),
    "cifar10": ("cifar10", "cifar10"),
    "cifar100": ("cifar10", "cifar100"),
    "tinyimagenet": ("imagenet", "tiny_imagenet"),
}


@dataclass(frozen=True)
class ResultName:
    """The data set that a file's name states.

    Args:
        normalization: What its pixels were normalised by.
        data_set: Our name of it, if we have it.
    """

    normalization: NormalizationName
    data_set: str | None

    @classmethod
    def of(cls, name: str) -> ResultName | None:
        """What a file's name says, or none.

        >>> ResultName.of("res_DC_CIFAR100_ConvNet_10ipc.pt")
        ResultName(normalization='cifar10', data_set='cifar100')
        """
        match = _NAME.fullmatch(name)
        found = _DATA_SETS.get(match[1].lower()) if match else None
        return None if found is None else cls(*found)

    def classes(self, num_classes: int) -> ClassRegistry | None:
        """The classes of the data set, if the file holds as many; their order is that of its labels.

        Args:
            num_classes: How many the file holds.
        """
        if self.data_set is None or DATASETS[self.data_set].num_classes != num_classes:
            return None
        return DATASETS[self.data_set].registry.without_folders()
