"""The record of a selection: which images, in which order, and a table that says why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.largest_product import LargestProduct
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.pieces import DEFAULT_CHUNK, Scratch, row_chunks
from semdd_lightning.selection.scores.of_prototypes import ClassRelevance, ClassSeparability

BASIC_SCORES = (ClassRelevance.name, ClassSeparability.name)
STAGES = ("selected", "candidate", "filtered")
_SELECTED, _CANDIDATE, _FILTERED = range(3)
_NOT_PICKED = "candidate, not picked"
PINNED, STRUCK = "pinned by hand", "struck out by hand"


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


def score_columns(table: pd.DataFrame) -> list[str]:
    """Names of the columns that hold scores, whosever they are: those before quality that have any value.

    Args:
        table: The table of a selection, with further columns perhaps.

    >>> columns = {"predicted": [0], "mine": [0.5], "class_separability": [np.nan], "quality": [0.1]}
    >>> score_columns(pd.DataFrame(columns))
    ['mine']
    """
    behind = table.loc[:, "predicted":"quality"].columns[1:-1]
    return [name for name in behind if table[name].notna().any()]


class TableBuilder:
    """Collects what every class reports and turns it into one table.

    Args:
        labels: Class index of each pool image ``(N,)``.
        scores: Names of the scores that classes report; relevance and separability have a column always.
    """

    def __init__(self, labels: Tensor, scores: Iterable[str]) -> None:
        num_images = len(labels)
        self._scratch = Scratch()
        self._labels = labels.cpu().numpy()
        self._predicted = np.zeros(num_images, dtype=np.int64)
        self._scores = {name: _nan(num_images) for name in dict.fromkeys((*BASIC_SCORES, *scores))}
        self._quality = _nan(num_images)
        self._rank = np.zeros(num_images, dtype=np.int64)  # 0 stands for NA until the table is built
        self._step = np.zeros(num_images, dtype=np.int64)
        self._pick_value = _nan(num_images)
        self._neighbour = np.full(num_images, -1, dtype=np.int64)
        self._neighbour_similarity = _nan(num_images)
        self._stage = np.full(num_images, _CANDIDATE, dtype=np.int64)
        self._reason = np.full(num_images, _NOT_PICKED, dtype=object)
        self._filter_sentences: dict[tuple[int, int], NDArray[np.object_]] = {}

    def add(self, pool: ClassPool, picks: Picks, free: Tensor) -> None:
        """Record one class.

        Args:
            pool: All images of the class.
            picks: What was decided.
            free: Positions of the images that were not struck out by hand, ascending.
        """
        rows = pool.rows.numpy()
        self._predicted[rows] = pool.predicted.numpy()
        for name, values in pool.scores.items():
            self._scores[name][rows] = values.numpy()
        self._quality[rows] = pool.quality.numpy()
        if picks.ranking is not None:
            self._add_stage1(rows, picks.ranking.numpy(), picks.kept)
        if len(free) < len(rows):
            struck = np.delete(rows, free.numpy())
            self._stage[struck], self._reason[struck] = _FILTERED, STRUCK
        order = picks.order.numpy()
        steps = np.arange(1, len(order) + 1)
        self._step[rows[order]] = steps
        self._pick_value[rows[order]] = picks.values.numpy()
        self._stage[rows[order]] = _SELECTED
        by_hand = rows[order[: picks.pinned]]
        self._reason[rows[order]] = [f"picked at step {step}" for step in steps]
        self._reason[by_hand], self._rank[by_hand] = PINNED, 0
        positions, cosines = nearest_selected(pool.image_embeddings, picks.order, scratch=self._scratch)
        self._neighbour[rows] = torch.where(positions >= 0, pool.rows[positions], -1).numpy()
        self._neighbour_similarity[rows] = cosines.numpy()

    def build(self) -> pd.DataFrame:
        """The table; its columns are described at `Selection`."""
        return pd.DataFrame(
            {
                "label": self._labels,
                "predicted": self._predicted,
                **self._scores,
                "quality": self._quality,
                "candidate": self._stage != _FILTERED,
                "stage1_rank": pd.arrays.IntegerArray(self._rank, self._rank == 0),
                "step": pd.arrays.IntegerArray(self._step, self._step == 0),
                "pick_value": self._pick_value,
                "nearest_selected": pd.arrays.IntegerArray(self._neighbour, self._neighbour < 0),
                "nearest_similarity": self._neighbour_similarity,
                "stage": pd.Categorical.from_codes(self._stage, categories=pd.Index(STAGES)),
                "reason": self._reason,
            },
            copy=False,  # the columns are of this table alone
        )

    def _add_stage1(self, rows: NDArray[np.int64], ranking: NDArray[np.int64], kept: int) -> None:
        size = len(ranking)
        self._rank[rows[ranking]] = np.arange(1, size + 1)
        filtered = rows[ranking[kept:]]
        self._stage[filtered] = _FILTERED
        key = (size, kept)  # classes of one size share their sentences
        if key not in self._filter_sentences:
            sentences = [
                f"rank {rank} of {size} in stage 1, {kept} kept" for rank in range(kept + 1, size + 1)
            ]
            self._filter_sentences[key] = np.array(sentences, dtype=object)
        self._reason[filtered] = self._filter_sentences[key]


def nearest_selected(
    image_embeddings: Tensor, selected: Tensor, block: int = DEFAULT_CHUNK, scratch: Scratch | None = None
) -> tuple[Tensor, Tensor]:
    """For each image the nearest selected image other than itself: positions ``(n,)`` and cosines ``(n,)``.

    Where there is no other selected image the position is -1 and the cosine NaN.

    Args:
        image_embeddings: Unit vectors of one class ``(n, d)``, float64.
        selected: Positions of the selected images ``(m,)``, int64, distinct, m >= 1.
        block: Rows compared at a time.
        scratch: Memory for intermediate results; its own if there is none to share.

    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
    >>> positions, cosines = nearest_selected(z, torch.tensor([1, 0]))
    >>> positions.tolist(), cosines.round(decimals=6).tolist()
    ([1, 0, 1], [0.0, 0.0, 0.8])
    """
    columns = selected.sort().values  # equals go to the lowest position, whatever the order of the picks
    find = LargestProduct(image_embeddings[columns], scratch)
    nearest = torch.empty(len(image_embeddings), dtype=torch.int64)
    cosines = torch.empty(len(image_embeddings), dtype=torch.float64)
    for rows in row_chunks(len(image_embeddings), block):
        here = torch.nonzero((columns >= rows.start) & (columns < rows.stop))[:, 0]
        itself = (columns[here] - rows.start, here)
        nearest[rows], cosines[rows] = find(image_embeddings[rows], hidden=itself)
    alone = torch.isinf(cosines)
    return columns[nearest].masked_fill(alone, -1), cosines.masked_fill(alone, torch.nan)


def _nan(size: int) -> NDArray[np.float64]:
    return np.full(size, np.nan)
