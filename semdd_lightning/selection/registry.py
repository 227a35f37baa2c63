"""The short names of the samplers."""

from __future__ import annotations

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.baselines import Quality, Random, Relevance, Separability
from semdd_lightning.selection.geometric import FacilityLocation, Herding, KCenter
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.two_stage import TwoStage

SAMPLERS: dict[str, type[Sampler]] = {
    sampler.name: sampler
    for sampler in (
        TwoStage,
        Random,
        Relevance,
        Separability,
        Quality,
        KCenter,
        Herding,
        FacilityLocation,
    )
}


def build_sampler(sampler: str | Sampler) -> Sampler:
    """A sampler from its short name, with default parameters; a sampler is passed through.

    Args:
        sampler: A key of `SAMPLERS`, or a sampler.

    Raises:
        SelectionError: If the name is unknown.

    >>> build_sampler("two_stage").name
    'two_stage'
    """
    if isinstance(sampler, Sampler):
        return sampler
    if not isinstance(sampler, str) or sampler not in SAMPLERS:
        msg = (
            f"Expected a sampler out of {', '.join(SAMPLERS)}, found {sampler!r}; choose one of these names."
        )
        raise SelectionError(msg)
    return SAMPLERS[sampler]()
