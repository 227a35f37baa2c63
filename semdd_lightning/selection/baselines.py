"""Samplers that draw at random or take the top of one score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import PrototypeSource
from semdd_lightning.selection.normalization import Normalization
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.quality import QualityRule
from semdd_lightning.selection.quality_sampler import QualitySampler
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.scores import SeparabilityMode, check_choice
from semdd_lightning.selection.ties import ranking


def class_generator(seed: int, class_index: int) -> torch.Generator:
    """A CPU generator that depends on the seed and on this class only.

    The generator's seed is the first 64-bit word of ``numpy.random.SeedSequence([seed, class_index])``
    without its top bit: neighbouring seeds and classes give unrelated streams.

    Args:
        seed: Seed of the selection, >= 0.
        class_index: Class index, >= 0.

    >>> class_generator(0, 1).initial_seed() == class_generator(1, 0).initial_seed()
    False
    """
    word = int(np.random.SeedSequence([seed, class_index]).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(word >> 1)


def random_positions(num_images: int, ipc: int, seed: int, class_index: int) -> Tensor:
    """Positions of ``ipc`` images of a class, drawn uniformly without replacement ``(ipc,)``.

    Args:
        num_images: Images of the class, >= ipc.
        ipc: Images to draw.
        seed: Seed of the selection, >= 0.
        class_index: Class index.

    >>> sorted(random_positions(3, 3, seed=0, class_index=0).tolist())
    [0, 1, 2]
    """
    return torch.randperm(num_images, generator=class_generator(seed, class_index))[:ipc]


def top(scores: Tensor, ipc: int) -> Picks:
    """The images of highest score, best first; equals in path order.

    Args:
        scores: One score of the images of a class ``(n_c,)``, float64.
        ipc: Images to pick, <= n_c.

    >>> top(torch.tensor([0.1, 0.9, 0.5], dtype=torch.float64), 2).order.tolist()
    [1, 2]
    """
    order = ranking(scores)[:ipc]
    return Picks(order, scores[order])


@dataclass(frozen=True)
class Random(Sampler):
    """The balanced random baseline: every class is drawn by itself, from (seed, class index)."""

    name: ClassVar[str] = "random"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Draw images of one class.

        Args:
            pool: The images of the class.
            ipc: Images to draw.
            seed: Seed of the selection.
        """
        order = random_positions(len(pool), ipc, seed, pool.class_index)
        return Picks(order, torch.full((ipc,), torch.nan, dtype=torch.float64))


@dataclass(frozen=True)
class Relevance(Sampler):
    """The images closest to the prototype of their class.

    Args:
        prototypes: ``text`` (prompts), ``image`` (class means of a reference set, else the pool) or ``both``.
    """

    name: ClassVar[str] = "relevance"

    prototypes: PrototypeSource = "text"

    def __post_init__(self) -> None:
        check_choice("prototypes", self.prototypes, get_args(PrototypeSource))

    @property
    def quality_rule(self) -> QualityRule:
        """The default rule on this sampler's prototypes."""
        return QualityRule(prototypes=self.prototypes)

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the top of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        return top(pool.class_relevance, ipc)


@dataclass(frozen=True)
class Separability(Sampler):
    """The images that are least like the other classes; needs at least two classes.

    Args:
        separability_mode: ``margin`` (to the next class), ``mean`` (to all others) or ``posterior``.
        prototypes: ``text`` (prompts), ``image`` (class means of a reference set, else the pool) or ``both``.
    """

    name: ClassVar[str] = "separability"
    needs_separability: ClassVar[bool] = True

    separability_mode: SeparabilityMode = "margin"
    prototypes: PrototypeSource = "text"

    def __post_init__(self) -> None:
        _ = self.quality_rule  # its constructor checks the parameters

    @property
    def quality_rule(self) -> QualityRule:
        """The default rule with this sampler's separability and prototypes."""
        return QualityRule(separability_mode=self.separability_mode, prototypes=self.prototypes)

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the top of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        if pool.class_separability is None:
            msg = "Expected separability scores, found none; separability needs at least 2 classes."
            raise SelectionError(msg)
        return top(pool.class_separability, ipc)


@dataclass(frozen=True)
class Quality(QualitySampler):
    """The images of highest quality: stage 1 of two-stage sampling alone.

    Args:
        separability_weight: Weight of separability against relevance, in [0, 1].
        separability_mode: ``margin`` (to the next class), ``mean`` (to all others) or ``posterior``.
        normalization: ``minmax``, ``zscore`` or ``rank``: how scores are made comparable within a class.
        prototypes: ``text`` (prompts), ``image`` (class means of a reference set, else the pool) or ``both``.
    """

    name: ClassVar[str] = "quality"

    separability_weight: float = 0.5
    separability_mode: SeparabilityMode = "margin"
    normalization: Normalization = "minmax"
    prototypes: PrototypeSource = "text"

    def __post_init__(self) -> None:
        _ = self.quality_rule  # its constructor checks the parameters

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Take the top of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        return top(pool.quality, ipc)
