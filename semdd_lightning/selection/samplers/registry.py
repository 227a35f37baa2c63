"""The short names of the samplers: the only place where they stand."""

from __future__ import annotations

from semdd_lightning.selection.extensions import find_kind, make, meanings_in, names_in
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.samplers.cao2 import CaO2
from semdd_lightning.selection.samplers.coverage import Coverage
from semdd_lightning.selection.samplers.difficulty import DifficultyGuided
from semdd_lightning.selection.samplers.dpp import Dpp
from semdd_lightning.selection.samplers.facility_location import FacilityLocation
from semdd_lightning.selection.samplers.filtered_random import FilteredRandom
from semdd_lightning.selection.samplers.herding import Herding
from semdd_lightning.selection.samplers.k_center import KCenter
from semdd_lightning.selection.samplers.learnable import Learnable
from semdd_lightning.selection.samplers.quality import Quality
from semdd_lightning.selection.samplers.random import Random
from semdd_lightning.selection.samplers.reference_herding import ReferenceHerding
from semdd_lightning.selection.samplers.relevance import Relevance
from semdd_lightning.selection.samplers.separability import Separability
from semdd_lightning.selection.samplers.two_stage import TwoStage, TwoStageClassic
from semdd_lightning.selection.samplers.typical_clusters import TypicalClusters
from semdd_lightning.selection.samplers.typicality import MostTypical

GROUP = "semdd_lightning.samplers"

SAMPLERS: dict[str, type[Sampler]] = {
    sampler.name: sampler
    for sampler in (
        Learnable,
        TwoStage,
        TwoStageClassic,
        Random,
        FilteredRandom,
        Relevance,
        Separability,
        Quality,
        MostTypical,
        KCenter,
        Herding,
        FacilityLocation,
        Coverage,
        TypicalClusters,
        ReferenceHerding,
        Dpp,
        DifficultyGuided,
        CaO2,
    )
}
"""Samplers of this package by name, in the order in which help and documentation show them."""

DEFAULT_SAMPLER = Learnable.name
"""The sampler where none is named. Students learn best from its choice: docs/results/selection.md."""


def sampler_names() -> list[str]:
    """All short names, those of installed packages included."""
    return names_in(GROUP, SAMPLERS)


def sampler_meanings() -> dict[str, str]:
    """All short names, those of installed packages included, each with what the sampler chooses."""
    return meanings_in(GROUP, "sampler", SAMPLERS, Sampler)  # type: ignore[type-abstract]


def sampler_word(kind: type[Sampler]) -> str:
    """What names a sampler wherever one can be named: its short name if it is one here, else its path.

    Args:
        kind: The class of the sampler.

    >>> sampler_word(TwoStage)
    'two_stage'
    """
    return kind.name if SAMPLERS.get(kind.name) is kind else f"{kind.__module__}.{kind.__qualname__}"


def build_sampler(sampler: str | Sampler) -> Sampler:
    """A sampler with default parameters; a sampler is passed through.

    Args:
        sampler: A short name out of `sampler_names`, the path of a class, or a sampler.

    Raises:
        SelectionError: If there is no such sampler.

    >>> build_sampler("two_stage").name
    'two_stage'
    """
    if isinstance(sampler, Sampler):
        return sampler
    return make(sampler_kind(sampler), "sampler")


def sampler_kind(name: str) -> type[Sampler]:
    """The class of a sampler.

    Args:
        name: A short name out of `sampler_names`, or the path of a class.

    Raises:
        SelectionError: If there is no such sampler.
    """
    return find_kind(name, "sampler", GROUP, SAMPLERS, Sampler)  # type: ignore[type-abstract]
