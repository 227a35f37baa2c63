"""Soft labels on disk, or made once an image: training without a teacher in the loop."""

from semdd_lightning.training.soft_labels.header import HEADER, StoreHeader
from semdd_lightning.training.soft_labels.label_format import LabelFormat, Precision
from semdd_lightning.training.soft_labels.labelling import (
    header_of,
    label_augmented,
    label_plain,
    mean_costs,
    write_blocks,
)
from semdd_lightning.training.soft_labels.sources import (
    BatchLabels,
    LabelRequest,
    SoftLabels,
    StaticLabels,
    StoredLabels,
)
from semdd_lightning.training.soft_labels.store import LabelStore

__all__ = [
    "HEADER",
    "BatchLabels",
    "LabelFormat",
    "LabelRequest",
    "LabelStore",
    "Precision",
    "SoftLabels",
    "StaticLabels",
    "StoreHeader",
    "StoredLabels",
    "header_of",
    "label_augmented",
    "label_plain",
    "mean_costs",
    "write_blocks",
]
