"""What all samplers share: the checks, the loop over classes and the record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import whole_number
from semdd_lightning.selection.embeddings import Embeddings
from semdd_lightning.selection.extensions import Named
from semdd_lightning.selection.picks import ByHand, ClassPool, Picks, check_counts, check_picks, without
from semdd_lightning.selection.pieces import CLASSES_AT_ONCE, map_pool
from semdd_lightning.selection.pool_scorer import PoolScorer
from semdd_lightning.selection.quality import QualityRule
from semdd_lightning.selection.scores.of_networks import Confidence, Difficulty
from semdd_lightning.selection.scores.score import Need, needed
from semdd_lightning.selection.selection import Selection, TableBuilder
from semdd_lightning.selection.several_priors import SeveralPriorsScorer

_OF_A_CLASSIFIER = (Difficulty.name, Confidence.name)  # whoever gives one sees what it says


class Sampler(Named, ABC):
    """Chooses ``ipc`` images per class out of an embedded pool, each class by itself.

    A sampler is a frozen dataclass of its parameters and implements `pick`; it holds no state, and the same
    embeddings, ipc and seed give the same choice on any machine.

    Attributes:
        uses: Names of the scores that `pick` looks at, beside relevance, separability and those of quality.
        needs: What it cannot choose without.
        classes_at_once: Classes that are picked from at the same time, at most.
    """

    uses: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[frozenset[Need]] = frozenset()
    classes_at_once: ClassVar[int] = CLASSES_AT_ONCE

    @property
    def quality_rule(self) -> QualityRule:
        """How scores and quality are formed; the default rule unless a sampler has its own."""
        return QualityRule()

    @property
    def all_needs(self) -> frozenset[Need]:
        """What neither the sampler nor the scores that it weighs can do without."""
        return self.needs

    def check(self, num_classes: int, ipc: int) -> None:
        """Check what can be known before any embedding exists.

        Args:
            num_classes: Number of classes C.
            ipc: Images per class.

        Raises:
            SelectionError: If the sampler cannot work with these numbers.
        """
        whole_number("ipc", ipc, at_least=1)
        if "several_classes" in self.all_needs and num_classes < 2:
            msg = (
                f"Expected at least 2 classes for class separability, found {num_classes}; "
                "set separability_weight to 0 or use a sampler that does not need it."
            )
            raise SelectionError(msg)

    def resolved(self, ipc: int) -> Self:
        """The sampler with numbers for what depends on the images per class.

        Args:
            ipc: Images per class, >= 1.
        """
        return self

    def select(
        self,
        embeddings: Embeddings,
        ipc: int,
        seed: int = 0,
        *,
        by_hand: ByHand | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Selection:
        """Choose ``ipc`` images of every class.

        Args:
            embeddings: The embedded pool, rows in path order.
            ipc: Images per class, >= 1.
            seed: Seed >= 0 of samplers that draw; without effect on the others.
            by_hand: What people decided: images that are never chosen, and images that are chosen first.
            progress: Called with the number of images of each class that is done.

        Raises:
            SelectionError: If arguments are out of range.
            TooFewImagesError: If a class has fewer than ``ipc`` images.
        """
        self.check(embeddings.num_classes, ipc)
        ipc, seed = whole_number("ipc", ipc, at_least=1), whole_number("seed", seed, at_least=0)
        check_counts(embeddings.counts(), ipc)
        by_hand = by_hand or ByHand()
        by_hand.check(embeddings.labels, embeddings.num_classes, ipc)
        sampler = self.resolved(ipc)
        rule = sampler.quality_rule
        if embeddings.num_classes == 1 and rule.scores is None:  # checked above: it asks for no separability
            rule = replace(rule, separability_weight=0.0)
        _check_needs(embeddings, self.all_needs, self.name)
        shown = () if embeddings.classifier is None else _OF_A_CLASSIFIER
        score_by = SeveralPriorsScorer if embeddings.parts else PoolScorer
        scorer = score_by(embeddings, rule, ipc, (*self.uses, *shown))
        table = TableBuilder(embeddings.labels, scorer.score_names)

        def choose(class_index: int, rows: Tensor) -> Tensor:
            pool = scorer.class_pool(class_index, rows)
            free, pinned = by_hand.in_class(rows)
            if len(free) == len(rows):
                picks = sampler._filled(pool, pinned, ipc, seed)
            else:
                place = torch.searchsorted(free, pinned)
                picks = sampler._filled(pool.take(free), place, ipc, seed).among(free)
            table.add(pool, picks, free)
            progress(len(rows))
            return rows[picks.order]

        chosen = map_pool(choose, embeddings, self.classes_at_once)
        return Selection(torch.cat(chosen), ipc, embeddings.num_classes, table.build())

    @abstractmethod
    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Choose ``ipc`` distinct images of one class; called from several threads.

        Args:
            pool: The images of the class, at least ``ipc`` of them.
            ipc: Images to pick, >= 1.
            seed: Seed of the whole selection, >= 0; mix it with the class index before drawing.
        """

    def pick_beside(self, pool: ClassPool, pinned: Tensor, ipc: int, seed: int) -> Picks:
        """Choose the rest of a class of which people chose some: as if those images were not there.

        A sampler whose picks depend on those before starts with them instead.

        Args:
            pool: The images of the class, more than ``pinned`` and at least ``ipc``.
            pinned: Positions of the images that are chosen already, in order ``(p,)``, 1 <= p < ipc.
            ipc: Images to pick, those included.
            seed: Seed of the whole selection.
        """
        others = without(len(pool), pinned)
        rest = pool.take(others)
        picks = self.pick(rest, ipc - len(pinned), seed)
        check_picks(picks, len(rest), ipc - len(pinned), self.name)
        return picks.among(others).after(pinned)

    def _filled(self, pool: ClassPool, pinned: Tensor, ipc: int, seed: int) -> Picks:
        """The images of a class: those that people chose, then the sampler's."""
        if len(pinned) == ipc:
            return Picks(pinned, torch.full((ipc,), torch.nan, dtype=torch.float64), pinned=ipc)
        picks = self.pick_beside(pool, pinned, ipc, seed) if len(pinned) else self.pick(pool, ipc, seed)
        check_picks(picks, len(pool), ipc, self.name)
        return picks


def _check_needs(embeddings: Embeddings, needs: frozenset[Need], asked_by: str) -> None:
    for need in sorted(needs - {"several_classes"}):
        needed(getattr(embeddings, need), need, asked_by)
    if embeddings.reference is not None and "reference" in needs:
        counts = torch.bincount(embeddings.reference.labels.cpu(), minlength=embeddings.num_classes)
        empty = torch.nonzero(counts == 0)[:, 0]
        if len(empty):
            others = f" ({len(empty) - 1} more classes have none)" if len(empty) > 1 else ""
            msg = (
                f"Expected reference images of every class for {asked_by}, found none of class "
                f"{int(empty[0])}{others}; add real images of it, or choose without a reference."
            )
            raise SelectionError(msg)
