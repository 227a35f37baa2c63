"""Choosing images: scores, samplers and the record of a selection. Tensors in, tensors out."""

from semdd_lightning.selection.checks import whole_number
from semdd_lightning.selection.embeddings import ClassifierOutputs, Embeddings, ReferenceEmbeddings
from semdd_lightning.selection.extensions import Registry
from semdd_lightning.selection.picks import ByHand, ClassPool, Picks
from semdd_lightning.selection.pool_scorer import PoolScorer
from semdd_lightning.selection.prototypes import PrototypeSource, class_prototypes, image_prototypes
from semdd_lightning.selection.quality import Normalization, QualityRule, normalize
from semdd_lightning.selection.quality_sampler import (
    FilteringSampler,
    QualitySampler,
    semantic_filter,
)
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.samplers import (
    DEFAULT_SAMPLER,
    SAMPLERS,
    build_sampler,
    sampler_kind,
    sampler_meanings,
    sampler_word,
)
from semdd_lightning.selection.samplers.best import MostTypical, Quality, Relevance, Separability
from semdd_lightning.selection.samplers.cao2 import CaO2
from semdd_lightning.selection.samplers.covering import (
    Coverage,
    FacilityLocation,
    facility_location,
    kernel_coverage,
)
from semdd_lightning.selection.samplers.difficulty import DifficultyGuided, difficulty_guided
from semdd_lightning.selection.samplers.geometric import Herding, KCenter, herding, k_center
from semdd_lightning.selection.samplers.kernel import Dpp, ReferenceHerding, dpp, reference_herding
from semdd_lightning.selection.samplers.random import FilteredRandom, Random
from semdd_lightning.selection.samplers.two_stage import (
    DiversityMode,
    Learnable,
    TwoStage,
    TwoStageClassic,
    dynamic_diversity,
)
from semdd_lightning.selection.samplers.typical_clusters import TypicalClusters
from semdd_lightning.selection.scores import SCORES, build_score, score_meanings
from semdd_lightning.selection.scores.of_prototypes import SeparabilityMode
from semdd_lightning.selection.scores.score import ClassImages, Score
from semdd_lightning.selection.selection import Selection, score_columns
from semdd_lightning.selection.statistics import (
    METRICS,
    class_report,
    overall_report,
    selection_report,
    subset_statistics,
)

__all__ = [
    "DEFAULT_SAMPLER",
    "METRICS",
    "SAMPLERS",
    "SCORES",
    "ByHand",
    "CaO2",
    "ClassImages",
    "ClassPool",
    "ClassifierOutputs",
    "Coverage",
    "DifficultyGuided",
    "DiversityMode",
    "Dpp",
    "Embeddings",
    "FacilityLocation",
    "FilteredRandom",
    "FilteringSampler",
    "Herding",
    "KCenter",
    "Learnable",
    "MostTypical",
    "Normalization",
    "Picks",
    "PoolScorer",
    "PrototypeSource",
    "Quality",
    "QualityRule",
    "QualitySampler",
    "Random",
    "ReferenceEmbeddings",
    "ReferenceHerding",
    "Registry",
    "Relevance",
    "Sampler",
    "Score",
    "Selection",
    "Separability",
    "SeparabilityMode",
    "TwoStage",
    "TwoStageClassic",
    "TypicalClusters",
    "build_sampler",
    "build_score",
    "class_prototypes",
    "class_report",
    "difficulty_guided",
    "dpp",
    "dynamic_diversity",
    "facility_location",
    "herding",
    "image_prototypes",
    "k_center",
    "kernel_coverage",
    "normalize",
    "overall_report",
    "reference_herding",
    "sampler_kind",
    "sampler_meanings",
    "sampler_word",
    "score_columns",
    "score_meanings",
    "selection_report",
    "semantic_filter",
    "subset_statistics",
    "whole_number",
]
