"""Choosing images: scores, samplers and the record of a selection. Tensors in, tensors out."""

from semdd_lightning.selection.embeddings import ClassifierOutputs, Embeddings, ReferenceEmbeddings
from semdd_lightning.selection.normalization import Normalization, normalize
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.pool_scorer import PoolScorer
from semdd_lightning.selection.prototypes import PrototypeSource, class_prototypes, image_prototypes
from semdd_lightning.selection.quality import QualityRule
from semdd_lightning.selection.quality_sampler import (
    FilteringSampler,
    QualitySampler,
    candidate_count,
    semantic_filter,
)
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.samplers import (
    SAMPLERS,
    FacilityLocation,
    Herding,
    KCenter,
    Quality,
    Random,
    Relevance,
    Separability,
    TwoStage,
    TwoStageClassic,
    build_sampler,
    dynamic_diversity,
    facility_location,
    herding,
    k_center,
    sampler_kind,
    sampler_meanings,
    sampler_names,
    sampler_word,
)
from semdd_lightning.selection.scores import (
    SCORES,
    ClassImages,
    Score,
    SeparabilityMode,
    build_score,
    class_relevance,
    class_separability,
    score_meanings,
    score_names,
)
from semdd_lightning.selection.selection import Selection
from semdd_lightning.selection.set_diversity import DiversityMode, set_diversity
from semdd_lightning.selection.statistics import (
    METRICS,
    SubsetStatistics,
    class_report,
    selection_report,
    subset_statistics,
)
from semdd_lightning.selection.table import score_columns

__all__ = [
    "METRICS",
    "SAMPLERS",
    "SCORES",
    "ClassImages",
    "ClassPool",
    "ClassifierOutputs",
    "DiversityMode",
    "Embeddings",
    "FacilityLocation",
    "FilteringSampler",
    "Herding",
    "KCenter",
    "Normalization",
    "Picks",
    "PoolScorer",
    "PrototypeSource",
    "Quality",
    "QualityRule",
    "QualitySampler",
    "Random",
    "ReferenceEmbeddings",
    "Relevance",
    "Sampler",
    "Score",
    "Selection",
    "Separability",
    "SeparabilityMode",
    "SubsetStatistics",
    "TwoStage",
    "TwoStageClassic",
    "build_sampler",
    "build_score",
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
    "sampler_kind",
    "sampler_meanings",
    "sampler_names",
    "sampler_word",
    "score_columns",
    "score_meanings",
    "score_names",
    "selection_report",
    "semantic_filter",
    "set_diversity",
    "subset_statistics",
]
