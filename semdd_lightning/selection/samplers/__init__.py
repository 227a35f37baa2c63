"""Samplers: which images of a class are chosen."""

from semdd_lightning.selection.samplers.facility_location import FacilityLocation, facility_location
from semdd_lightning.selection.samplers.herding import Herding, herding
from semdd_lightning.selection.samplers.k_center import KCenter, k_center
from semdd_lightning.selection.samplers.quality import Quality
from semdd_lightning.selection.samplers.random import Random, random_positions
from semdd_lightning.selection.samplers.registry import (
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

__all__ = [
    "SAMPLERS",
    "FacilityLocation",
    "Herding",
    "KCenter",
    "Quality",
    "Random",
    "Relevance",
    "Separability",
    "TwoStage",
    "TwoStageClassic",
    "build_sampler",
    "dynamic_diversity",
    "facility_location",
    "herding",
    "k_center",
    "random_positions",
    "sampler_kind",
    "sampler_meanings",
    "sampler_names",
    "sampler_word",
]
