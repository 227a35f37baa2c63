"""What a sampler is given of one class, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ClassPool:
    """The images of one class, in path order, everything on the CPU in float64.

    Args:
        class_index: Index of the class.
        rows: Pool rows of its images ``(n_c,)``, ascending, int64.
        image_embeddings: Unit vectors ``(n_c, d)``, valid until the thread is shown its next class.
        class_relevance: r ``(n_c,)``.
        class_separability: s ``(n_c,)``; None if there is one class only.
        predicted: Zero-shot class index ``(n_c,)``, int64.
        quality: q ``(n_c,)`` by the sampler's rule.
    """

    class_index: int
    rows: Tensor
    image_embeddings: Tensor
    class_relevance: Tensor
    class_separability: Tensor | None
    predicted: Tensor
    quality: Tensor

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Picks:
    """The decision on one class; positions count within the class.

    Args:
        order: Positions of the chosen images ``(ipc,)``, int64, in order of the picks.
        values: The value each was picked with ``(ipc,)``, float64; NaN where there is none.
        ranking: All positions from the best to the worst of stage 1 ``(n_c,)``; None without a stage 1.
        kept: How many of the ranking are candidates, in [ipc, n_c]; unused without a stage 1.
    """

    order: Tensor
    values: Tensor
    ranking: Tensor | None = None
    kept: int = 0
