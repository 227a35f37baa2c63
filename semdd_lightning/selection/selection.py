"""The record of a selection: which images, in which order, and why."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from semdd_lightning.errors import SelectionError


@dataclass(frozen=True, eq=False)
class Selection:
    """The images chosen from a pool, with a table that explains every pool image.

    Columns of the table, one row per pool image, the index being the pool row: ``label``; ``predicted``
    (zero-shot class); ``class_relevance``; ``class_separability`` (NaN with one class); ``quality`` (stage-1
    q; for samplers without stage 1 by the default rule); ``candidate`` (stage-1 verdict, True without stage
    1); ``stage1_rank`` (1-based in the class, NA without stage 1); ``step`` (1-based order of the picks in
    the class, NA if not picked); ``pick_value`` (what the image was picked with, NaN if not picked);
    ``nearest_selected`` (pool row of the nearest selected image of the class other than itself, NA if none)
    and ``nearest_similarity``; ``stage`` (``selected``, ``candidate`` or ``filtered``); ``reason`` (a
    sentence).

    Args:
        indices: Pool rows of the chosen images ``(C * ipc,)``, int64, by class, then in order of the picks.
        ipc: Images per class, >= 1.
        num_classes: Number of classes C.
        scores: The table described above.

    Raises:
        SelectionError: If the number of indices is not C * ipc.
    """

    indices: Tensor
    ipc: int
    num_classes: int
    scores: pd.DataFrame

    def __post_init__(self) -> None:
        expected = (self.num_classes * self.ipc,)
        if tuple(self.indices.shape) != expected:
            msg = (
                f"Expected indices of shape {expected} for {self.num_classes} classes and ipc {self.ipc}, "
                f"found {tuple(self.indices.shape)}; pass ipc rows for each class."
            )
            raise SelectionError(msg)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def digest(self) -> str:
        """Sha256 hex over indices and ipc: equal where the same images were chosen in the same order."""
        content = self.indices.cpu().numpy().astype("<i8").tobytes()
        return hashlib.sha256(content + self.ipc.to_bytes(8, "little")).hexdigest()

    def class_indices(self, class_index: int) -> Tensor:
        """Pool rows chosen for one class ``(ipc,)``, in order of the picks.

        Args:
            class_index: Class index in [0, C).

        Raises:
            SelectionError: If there is no such class.
        """
        if not 0 <= class_index < self.num_classes:
            msg = (
                f"Expected a class index in [0, {self.num_classes}), found {class_index}; "
                "ask for one of the classes of the pool."
            )
            raise SelectionError(msg)
        return self.indices[class_index * self.ipc : (class_index + 1) * self.ipc]

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table of all pool images, free to be changed."""
        return self.scores.copy()
