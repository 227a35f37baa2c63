"""The three scores of semantic-aware sampling.

The criteria are those of "SAS: Semantic-aware Sampling for Generative Dataset Distillation" (arXiv
2605.18012); the exact formulas are this project's. Every value is computed on the CPU in float64, the pool in
chunks of rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import as_float64, rows_by_class
from semdd_lightning.selection.largest_product import LargestProduct, pair_products
from semdd_lightning.selection.scratch import Scratch
from semdd_lightning.selection.ties import rounded

SeparabilityMode = Literal["margin", "mean", "posterior"]
DiversityMode = Literal["nearest", "mean"]

DEFAULT_CHUNK = 2048  # rows; 16 MiB of float64 similarities for 1,000 classes
# Prototypes are equal up to a cosine of 1 - 1e-6: |a - b|^2 = 2 - 2 cos for unit vectors. The prior holds
# text prototypes to the same number.
EQUAL_SQUARED_DISTANCE = 2e-6
_PAIRS_SHOWN = 5


def class_relevance(
    image_embeddings: Tensor, labels: Tensor, prototypes: Tensor, chunk: int = DEFAULT_CHUNK
) -> Tensor:
    """Class relevance r_i = <z_i, t_{y_i}>, float64 ``(N,)``.

    Args:
        image_embeddings: Unit vectors z ``(N, d)``.
        labels: Class index y of each image ``(N,)``.
        prototypes: Unit vectors t ``(C, d)``.
        chunk: Rows computed at a time; changes nothing but memory.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    >>> class_relevance(z, torch.tensor([0, 1]), torch.eye(2)).round(decimals=6).tolist()
    [1.0, 0.8]
    """
    prototypes, labels = as_float64(prototypes), labels.cpu()
    relevance = torch.empty(len(labels), dtype=torch.float64)
    for rows in row_chunks(len(labels), chunk):
        vectors = as_float64(image_embeddings[rows])
        relevance[rows] = pair_products(vectors, prototypes, torch.arange(len(vectors)), labels[rows])
    return relevance


def class_separability(
    image_embeddings: Tensor,
    labels: Tensor,
    prototypes: Tensor,
    mode: SeparabilityMode = "margin",
    logit_scale: float = 100.0,
    chunk: int = DEFAULT_CHUNK,
) -> Tensor:
    """Inter-class separability of each image, float64 ``(N,)``.

    Args:
        image_embeddings: Unit vectors z ``(N, d)``.
        labels: Class index y of each image ``(N,)``.
        prototypes: Unit vectors t ``(C, d)``, C >= 2.
        mode: ``margin``: r_i - max over c != y_i of <z_i, t_c>; ``mean``: r_i - mean over c != y_i;
            ``posterior``: log softmax over classes of (logit_scale * <z_i, t_c>) at y_i.
        logit_scale: Factor from cosines to logits; used by ``posterior`` only.
        chunk: Rows computed at a time; changes nothing but memory.

    Raises:
        SelectionError: If there is one class only, or the mode is unknown.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    >>> class_separability(z, torch.tensor([0, 1]), torch.eye(2)).round(decimals=6).tolist()
    [1.0, 0.2]
    """
    require_several_classes(len(prototypes))
    warn_equal_prototypes(prototypes, chunk)
    scores = ClassScores(prototypes, mode, logit_scale, chunk)
    separability = torch.empty(len(labels), dtype=torch.float64)
    for class_index, rows in enumerate(rows_by_class(labels, len(prototypes))):
        vectors = as_float64(image_embeddings[rows.to(image_embeddings.device)])
        separability[rows] = scores(vectors, class_index)[1]
    return separability


class ClassScores:
    """Relevance, separability and zero-shot class of the images of a class; threads may share it.

    Only ``posterior`` needs all similarities in float64; otherwise the rival, which is the best of the other
    classes, is found at the cost of a coarse product.

    Args:
        prototypes: Unit vectors t ``(C, d)``.
        mode: ``margin``, ``mean`` or ``posterior``, as for `class_separability`.
        logit_scale: Factor from cosines to logits; used by ``posterior`` only.
        chunk: Images scored at a time; changes nothing but memory.
        scratch: Memory for intermediate results; its own if there is none to share.

    Raises:
        SelectionError: If the mode is unknown.
    """

    def __init__(
        self,
        prototypes: Tensor,
        mode: SeparabilityMode,
        logit_scale: float,
        chunk: int = DEFAULT_CHUNK,
        scratch: Scratch | None = None,
    ) -> None:
        check_choice("separability mode", mode, get_args(SeparabilityMode))
        self._prototypes = as_float64(prototypes)
        self._total = self._prototypes.sum(dim=0)
        self._mode, self._logit_scale, self._chunk = mode, logit_scale, chunk
        self._scratch = Scratch() if scratch is None else scratch
        self._find = LargestProduct(self._prototypes, self._scratch)

    def __call__(self, vectors: Tensor, class_index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Relevance, separability and predicted class, each ``(n,)``; separability is void for C = 1.

        Args:
            vectors: Unit vectors of images of the class ``(n, d)``, float64 on the CPU.
            class_index: The class.
        """
        relevance, separability = torch.empty(2, len(vectors), dtype=torch.float64)
        predicted = torch.empty(len(vectors), dtype=torch.int64)
        for rows in row_chunks(len(vectors), self._chunk):
            relevance[rows], separability[rows], predicted[rows] = self._score(vectors[rows], class_index)
        return relevance, separability, predicted

    def _score(self, block: Tensor, class_index: int) -> tuple[Tensor, Tensor, Tensor]:
        own = block @ self._prototypes[class_index]
        rival, best = self._find(block, hidden=(slice(None), class_index))
        behind = rounded(best) - rounded(own)
        loses = (behind > 0) | ((behind == 0) & (rival < class_index))
        predicted = torch.where(loses, rival, class_index)
        if self._mode == "margin":
            return own, own - best, predicted
        if self._mode == "mean":
            return own, own - (block @ self._total - own) / (len(self._prototypes) - 1), predicted
        logits = self._logit_scale * (block @ self._prototypes.T)
        return own, torch.log_softmax(logits, dim=1)[:, class_index], predicted


def set_diversity(
    image_embeddings: Tensor, selected: Tensor, mode: DiversityMode = "nearest", chunk: int = DEFAULT_CHUNK
) -> Tensor:
    """Marginal diversity of each image against a set S, float64 ``(n,)``.

    Args:
        image_embeddings: Unit vectors z ``(n, d)``.
        selected: Unit vectors of S ``(m, d)``, m >= 1.
        mode: ``nearest``: 1 - max over j in S of <z_i, z_j>; ``mean``: 1 - mean over j in S.
        chunk: Rows computed at a time; changes nothing but memory.

    Raises:
        SelectionError: If S is empty, or the mode is unknown.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    >>> set_diversity(z, torch.eye(2), mode="mean").round(decimals=6).tolist()
    [0.5, 0.3]
    """
    check_choice("diversity mode", mode, get_args(DiversityMode))
    if len(selected) == 0:
        msg = "Expected at least 1 selected image to measure diversity against, found 0; pick a first image."
        raise SelectionError(msg)
    blocks = [similarity for _, similarity in similarity_blocks(image_embeddings, selected, chunk)]
    reduced = [block.amax(dim=1) if mode == "nearest" else block.mean(dim=1) for block in blocks]
    return 1 - torch.cat(reduced)


def similarity_blocks(vectors: Tensor, others: Tensor, chunk: int) -> Iterator[tuple[slice, Tensor]]:
    """Inner products with all of the others, a chunk of rows at a time: (rows, float64 ``(chunk, m)``).

    Args:
        vectors: Vectors ``(n, d)``; cast to float64 chunk by chunk.
        others: Vectors ``(m, d)``.
        chunk: Rows in a block, >= 1.

    Raises:
        SelectionError: If the chunk is not positive.
    """
    columns = as_float64(others).T
    for rows in row_chunks(len(vectors), chunk):
        yield rows, as_float64(vectors[rows]) @ columns


def row_chunks(num_rows: int, chunk: int) -> Iterator[slice]:
    """All rows, a chunk at a time.

    Args:
        num_rows: Number of rows.
        chunk: Rows in a chunk, >= 1; the last may have fewer.

    Raises:
        SelectionError: If the chunk is not positive.

    >>> list(row_chunks(3, 2))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    if chunk < 1:
        msg = f"Expected chunk to be at least 1 row, found {chunk}; pass a positive number."
        raise SelectionError(msg)
    for start in range(0, num_rows, chunk):
        yield slice(start, min(start + chunk, num_rows))


def require_several_classes(num_classes: int) -> None:
    """Refuse separability where there is nothing to be separated from.

    Args:
        num_classes: Number of classes C.

    Raises:
        SelectionError: If C < 2.
    """
    if num_classes < 2:
        msg = (
            f"Expected at least 2 classes for class separability, found {num_classes}; "
            "set separability_weight to 0 or use a sampler that does not need it."
        )
        raise SelectionError(msg)


def warn_equal_prototypes(prototypes: Tensor, chunk: int = DEFAULT_CHUNK) -> None:
    """Warn, naming the class indices, where two classes have equal prototypes: a cosine of 1 - 1e-6 or more.

    Args:
        prototypes: Unit vectors ``(C, d)``.
        chunk: Rows compared at a time.
    """
    squared = as_float64(prototypes).square().sum(dim=1)
    pairs: list[tuple[int, int]] = []
    for rows, product in similarity_blocks(prototypes, prototypes, chunk):
        close = squared[rows, None] + squared[None, :] - 2 * product <= EQUAL_SQUARED_DISTANCE
        found = torch.nonzero(torch.triu(close, diagonal=rows.start + 1))
        pairs += [(rows.start + int(first), int(second)) for first, second in found]
    if pairs:
        shown = ", ".join(f"{first} and {second}" for first, second in pairs[:_PAIRS_SHOWN])
        more = f" and {len(pairs) - _PAIRS_SHOWN} more pairs" if len(pairs) > _PAIRS_SHOWN else ""
        warnings.warn(
            f"Expected every class to have its own prototype, found equal ones for classes {shown}{more}: "
            "scores cannot tell them apart; give these classes names and images of their own.",
            UserWarning,
            stacklevel=3,
        )


def check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is not one of the choices.

    Args:
        what: What the word stands for, used in the error.
        value: The word found.
        choices: The words allowed.

    Raises:
        SelectionError: If the word is unknown.
    """
    if value not in choices:
        msg = f"Expected {what} to be one of {', '.join(choices)}, found {value!r}; choose one of them."
        raise SelectionError(msg)
