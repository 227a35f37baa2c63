"""The standard data sets: their classes, splits and sources; torch is only needed for ImageNet's names."""

from semdd_lightning.datasets.imagenet import imagenet_names, imagenet_words, with_imagenet_names
from semdd_lightning.datasets.registry import (
    dataset_of,
    dataset_table,
    find_classes,
    find_dataset,
    is_dataset_name,
)
from semdd_lightning.datasets.spec import Archive, DatasetSpec, EvaluationTransform, Normalization, Split
from semdd_lightning.datasets.specs import DATASETS

__all__ = [
    "DATASETS",
    "Archive",
    "DatasetSpec",
    "EvaluationTransform",
    "Normalization",
    "Split",
    "dataset_of",
    "dataset_table",
    "find_classes",
    "find_dataset",
    "imagenet_names",
    "imagenet_words",
    "is_dataset_name",
    "with_imagenet_names",
]
