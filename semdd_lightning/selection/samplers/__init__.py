"""Samplers: which images of a class are chosen."""

from semdd_lightning.selection.samplers.cao2 import CaO2
from semdd_lightning.selection.samplers.coverage import Coverage, kernel_coverage
from semdd_lightning.selection.samplers.difficulty import DifficultyGuided, difficulty_guided
from semdd_lightning.selection.samplers.dpp import Dpp, dpp
from semdd_lightning.selection.samplers.facility_location import FacilityLocation, facility_location
from semdd_lightning.selection.samplers.filtered_random import FilteredRandom
from semdd_lightning.selection.samplers.herding import Herding, herding
from semdd_lightning.selection.samplers.k_center import KCenter, k_center
from semdd_lightning.selection.samplers.learnable import Learnable
from semdd_lightning.selection.samplers.quality import Quality
from semdd_lightning.selection.samplers.random import Random, random_positions
from semdd_lightning.selection.samplers.reference_herding import ReferenceHerding, reference_herding
from semdd_lightning.selection.samplers.registry import (
    DEFAULT_SAMPLER,
    SAMPLERS,
    build_sampler,
    sampler_kind,
    sampler_meanings,
    sampler_names,
    sampler_word,
)
from semdd_lightning.selection.samplers.relevance import Relevance
from semdd_lightning.selection.samplers.separability import Separability
from semdd_lightning.selection.samplers.two_stage import TwoStage, TwoStageClassic, dynamic_diversity
from semdd_lightning.selection.samplers.typical_clusters import TypicalClusters
from semdd_lightning.selection.samplers.typicality import MostTypical

__all__ = [
    "DEFAULT_SAMPLER",
    "SAMPLERS",
    "CaO2",
    "Coverage",
    "DifficultyGuided",
    "Dpp",
    "FacilityLocation",
    "FilteredRandom",
    "Herding",
    "KCenter",
    "Learnable",
    "MostTypical",
    "Quality",
    "Random",
    "ReferenceHerding",
    "Relevance",
    "Separability",
    "TwoStage",
    "TwoStageClassic",
    "TypicalClusters",
    "build_sampler",
    "difficulty_guided",
    "dpp",
    "dynamic_diversity",
    "facility_location",
    "herding",
    "k_center",
    "kernel_coverage",
    "random_positions",
    "reference_herding",
    "sampler_kind",
    "sampler_meanings",
    "sampler_names",
    "sampler_word",
]
