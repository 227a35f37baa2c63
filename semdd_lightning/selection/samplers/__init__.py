"""Samplers: which images of a class are chosen. All their names stand here."""

from semdd_lightning.selection.extensions import Registry
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.samplers.best import MostTypical, Quality, Relevance, Separability
from semdd_lightning.selection.samplers.cao2 import CaO2
from semdd_lightning.selection.samplers.covering import Coverage, FacilityLocation
from semdd_lightning.selection.samplers.difficulty import DifficultyGuided
from semdd_lightning.selection.samplers.geometric import Herding, KCenter
from semdd_lightning.selection.samplers.kernel import Dpp, ReferenceHerding
from semdd_lightning.selection.samplers.random import FilteredRandom, Random
from semdd_lightning.selection.samplers.two_stage import Learnable, TwoStage, TwoStageClassic
from semdd_lightning.selection.samplers.typical_clusters import TypicalClusters

SAMPLERS: Registry[Sampler] = Registry(
    "sampler",
    Sampler,  # type: ignore[type-abstract]
    [
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
    ],
)
"""Samplers of this package by name, in the order in which help and documentation show them."""

DEFAULT_SAMPLER = Learnable.name
"""The sampler where none is named. Students learn best from its choice: docs/results/selection.md."""

sampler_kind, sampler_meanings = SAMPLERS.find, SAMPLERS.meanings


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
        sampler: A short name, the path of a class, or a sampler.

    Raises:
        SelectionError: If there is no such sampler.

    >>> build_sampler("two_stage").name
    'two_stage'
    """
    return sampler if isinstance(sampler, Sampler) else SAMPLERS.build(sampler)
