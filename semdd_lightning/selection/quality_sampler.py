"""What samplers share that choose by stage-1 quality with parameters of their own."""

from __future__ import annotations

from semdd_lightning.selection.embeddings import PrototypeSource
from semdd_lightning.selection.normalization import Normalization
from semdd_lightning.selection.quality import QualityRule
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.scores import SeparabilityMode, require_several_classes


class QualitySampler(Sampler):
    """A sampler whose parameters hold a `QualityRule`; subclasses declare them with their defaults."""

    separability_weight: float
    separability_mode: SeparabilityMode
    normalization: Normalization
    prototypes: PrototypeSource

    @property
    def quality_rule(self) -> QualityRule:
        """Quality by this sampler's parameters."""
        return QualityRule(
            self.separability_weight, self.separability_mode, self.normalization, self.prototypes
        )

    def check(self, num_classes: int, ipc: int) -> None:
        """Check that there are classes to separate.

        Args:
            num_classes: Number of classes C.
            ipc: Images per class.

        Raises:
            SelectionError: If separability is asked for with one class.
        """
        super().check(num_classes, ipc)
        if self.separability_weight > 0:
            require_several_classes(num_classes)
