"""Choosing images: scores, samplers and the record of a selection. Tensors in, tensors out."""

from semdd_lightning.selection.baselines import Quality, Random, Relevance, Separability
from semdd_lightning.selection.embeddings import (
    Embeddings,
    PrototypeSource,
    class_prototypes,
    image_prototypes,
)
from semdd_lightning.selection.geometric import (
    FacilityLocation,
    Herding,
    KCenter,
    facility_location,
    herding,
    k_center,
)
from semdd_lightning.selection.normalization import Normalization, normalize
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.quality import ImageScores, QualityRule, score_images
from semdd_lightning.selection.registry import SAMPLERS, build_sampler
from semdd_lightning.selection.sampler import Sampler, whole_number
from semdd_lightning.selection.scores import (
    DiversityMode,
    SeparabilityMode,
    class_relevance,
    class_separability,
    set_diversity,
)
from semdd_lightning.selection.selection import Selection
from semdd_lightning.selection.statistics import (
    METRICS,
    SubsetStatistics,
    class_report,
    selection_report,
    subset_statistics,
)
from semdd_lightning.selection.two_stage import (
    TwoStage,
    candidate_count,
    dynamic_diversity,
    semantic_filter,
)

__all__ = [
    "METRICS",
    "SAMPLERS",
    "ClassPool",
    "DiversityMode",
    "Embeddings",
    "FacilityLocation",
    "Herding",
    "ImageScores",
    "KCenter",
    "Normalization",
    "Picks",
    "PrototypeSource",
    "Quality",
    "QualityRule",
    "Random",
    "Relevance",
    "Sampler",
    "Selection",
    "Separability",
    "SeparabilityMode",
    "SubsetStatistics",
    "TwoStage",
    "build_sampler",
    "candidate_count",
    "class_prototypes",
    "class_relevance",
    "class_report",
    "class_separability",
    "dynamic_diversity",
    "facility_location",
    "herding",
    "image_prototypes",
    "k_center",
    "normalize",
    "score_images",
    "selection_report",
    "semantic_filter",
    "set_diversity",
    "subset_statistics",
    "whole_number",
]
