"""From a pool to batches: selection, storage, augmentation, splits."""

from semdd_lightning.data.augmentation import Augmentation
from semdd_lightning.data.classifier import Classifier, ClassifierContext
from semdd_lightning.data.image_data_module import ImageDataModule
from semdd_lightning.data.image_sets import (
    DatasetImages,
    DigitsImages,
    FolderImages,
    PoolImages,
    UnlabelledImages,
)
from semdd_lightning.data.loaders import EvaluationImages, TrainingImages
from semdd_lightning.data.pool_data_module import PoolDataModule
from semdd_lightning.data.selecting import select
from semdd_lightning.data.verification import Verdict, verify
from semdd_lightning.export.pool_selection import PoolSelection
from semdd_lightning.pools import ImageSet

__all__ = [
    "Augmentation",
    "Classifier",
    "ClassifierContext",
    "DatasetImages",
    "DigitsImages",
    "EvaluationImages",
    "FolderImages",
    "ImageDataModule",
    "ImageSet",
    "PoolDataModule",
    "PoolImages",
    "PoolSelection",
    "TrainingImages",
    "UnlabelledImages",
    "Verdict",
    "select",
    "verify",
]
