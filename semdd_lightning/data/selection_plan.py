"""What is to be chosen, from what and by what, before an image is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semdd_lightning.audit import AuditPolicy
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.classifier import Classifier
from semdd_lightning.export import Choices, describe
from semdd_lightning.pools import ImageSet
from semdd_lightning.prior import Prior
from semdd_lightning.selection import Sampler
from semdd_lightning.selection.scores.score import Need, needed


@dataclass(frozen=True)
class SelectionPlan:
    """All that a selection depends on.

    Attributes:
        pool: the pool.
        priors: the models that score it.
        ipc: images per class.
        sampler: how to choose.
        seed: selection seed, used by samplers that draw.
        reference: real images of the same classes, if there are any.
        classifier: a network that tells the classes apart, if there is one.
        cache_dir: root of the cache (default: SEMDD_CACHE or the user's cache folder).
        audit: what to do where the images do not show the classes of their folders.
        choices: what people decided about single images, if anything.
    """

    pool: ImageSet
    priors: tuple[Prior, ...]
    ipc: int
    sampler: Sampler
    seed: int = 0
    reference: ImageSet | None = None
    classifier: Classifier | None = None
    cache_dir: Path | None = None
    audit: AuditPolicy = "refuse"
    choices: Choices | None = None

    @property
    def needs(self) -> frozenset[Need]:
        """What the sampler and the scores that it weighs cannot do without."""
        return self.sampler.quality_rule.rule_needs | self.sampler.needs

    def described(self) -> dict[str, Any]:
        """The manifest's part that says what the selection is made from.

        Raises:
            RunError: if one of them is not made of plain values.
        """
        priors = tuple(describe(prior.absolute()) for prior in self.priors)
        return {
            "pool": describe(self.pool),
            "prior": priors[0] if len(priors) == 1 else priors,
            "sampler": describe(self.sampler.resolved(self.ipc)),
            "reference": None if self.reference is None else describe(self.reference),
            "classifier": None if self.classifier is None else describe(self.classifier),
            "cache_dir": None if self.cache_dir is None else str(self.cache_dir.expanduser().absolute()),
        }

    def prepare(self) -> None:
        """Fetch or generate what is missing, once a node, and see that all that the sampler needs is there.

        Raises:
            PriorError: if a prior cannot be had as described.
            SelectionError: if the sampler, or a score that it weighs, needs what was not given.
            RunError: if no manifest can describe the classifier.
        """
        for prior in self.priors:
            prior.check()
        given: dict[Need, object] = {"reference": self.reference, "classifier": self.classifier}
        for need in sorted(self.needs & given.keys()):
            needed(given[need], need, self.sampler.name)
        if self.classifier is not None:
            describe(self.classifier)
        self.pool.prepare()
        if self.reference is not None:
            self.reference.prepare()

    def check(self, classes: ClassRegistry) -> None:
        """What else can be known before an image is read.

        Args:
            classes: the pool's classes.

        Raises:
            SelectionError: if the sampler cannot work with these numbers.
        """
        self.sampler.check(len(classes), self.ipc)
