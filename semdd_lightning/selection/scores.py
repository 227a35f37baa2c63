"""The three scores of semantic-aware sampling, and how they are made comparable within a class.

The criteria are those of "SAS: Semantic-aware Sampling for Generative Dataset Distillation" (arXiv
2605.18012); the exact formulas are this project's. Everything is computed on the CPU in float64, the pool in
chunks of rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Literal, get_args

import torch
from scipy.stats import rankdata
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.ties import rounded

SeparabilityMode = Literal["margin", "mean", "posterior"]
DiversityMode = Literal["nearest", "mean"]
Normalization = Literal["minmax", "zscore", "rank"]

DEFAULT_CHUNK = 2048  # rows; 16 MiB of float64 similarities for 1,000 classes
CONSTANT_RANGE = 1e-6  # a score that varies by no more than this says nothing about the class
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
    blocks = similarity_blocks(image_embeddings, prototypes, chunk)
    return torch.cat([own_similarity(similarity, labels[rows]) for rows, similarity in blocks])


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
    blocks = similarity_blocks(image_embeddings, prototypes, chunk)
    return torch.cat([separability_of(sim, labels[rows], mode, logit_scale) for rows, sim in blocks])


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


def normalize(values: Tensor, method: Normalization = "minmax") -> Tensor:
    """Make the scores of one class comparable, float64 ``(n,)``.

    Args:
        values: One score of the images of one class ``(n,)``, n >= 1.
        method: ``minmax`` to [0, 1]; ``zscore`` with ddof 0; ``rank``: (average rank - 1) / (n - 1), values
            compared after rounding to 1e-9. A range of at most 1e-6 is constant and gives 0.5 (minmax, rank)
            or 0 (zscore).

    Raises:
        SelectionError: If there is no value, or the method is unknown.

    >>> normalize(torch.tensor([2.0, 4.0, 3.0])).tolist()
    [0.0, 1.0, 0.5]
    >>> normalize(torch.tensor([7.0, 7.0]), "zscore").tolist()
    [0.0, 0.0]
    """
    check_choice("normalization", method, get_args(Normalization))
    if len(values) == 0:
        msg = "Expected at least 1 value to normalise, found 0; pass the scores of a class that has images."
        raise SelectionError(msg)
    values = as_float64(values)
    low = values.min()
    extent = values.max() - low
    if extent <= CONSTANT_RANGE:
        return torch.full_like(values, 0.0 if method == "zscore" else 0.5)
    if method == "minmax":
        return (values - low) / extent
    if method == "zscore":
        return (values - values.mean()) / values.std(correction=0)
    ranks = torch.from_numpy(rankdata(rounded(values).numpy(), method="average"))
    return (ranks - 1) / (len(values) - 1)


def similarity_blocks(vectors: Tensor, others: Tensor, chunk: int) -> Iterator[tuple[slice, Tensor]]:
    """Inner products with all of the others, a chunk of rows at a time: (rows, float64 ``(chunk, m)``).

    Args:
        vectors: Vectors ``(n, d)``; cast to float64 chunk by chunk.
        others: Vectors ``(m, d)``.
        chunk: Rows in a block, >= 1.

    Raises:
        SelectionError: If the chunk is not positive.
    """
    if chunk < 1:
        msg = f"Expected chunk to be at least 1 row, found {chunk}; pass a positive number."
        raise SelectionError(msg)
    columns = as_float64(others).T
    for start in range(0, len(vectors), chunk):
        rows = slice(start, min(start + chunk, len(vectors)))
        yield rows, as_float64(vectors[rows]) @ columns


def own_similarity(similarity: Tensor, labels: Tensor) -> Tensor:
    """Similarity of each image to its own class ``(n,)``.

    Args:
        similarity: Image-prototype cosines ``(n, C)``.
        labels: Class index of each image ``(n,)``.
    """
    return similarity.gather(1, labels.cpu()[:, None])[:, 0]


def separability_of(similarity: Tensor, labels: Tensor, mode: SeparabilityMode, logit_scale: float) -> Tensor:
    """Separability ``(n,)`` from a block of similarities; see `class_separability`.

    Args:
        similarity: Image-prototype cosines ``(n, C)``, C >= 2.
        labels: Class index of each image ``(n,)``.
        mode: ``margin``, ``mean`` or ``posterior``.
        logit_scale: Factor from cosines to logits.

    Raises:
        SelectionError: If the mode is unknown.
    """
    check_choice("separability mode", mode, get_args(SeparabilityMode))
    if mode == "posterior":
        return own_similarity(torch.log_softmax(logit_scale * similarity, dim=1), labels)
    own = own_similarity(similarity, labels)
    if mode == "mean":
        return own - (similarity.sum(dim=1) - own) / (similarity.shape[1] - 1)
    others = similarity.scatter(1, labels.cpu()[:, None], -torch.inf)
    return own - others.amax(dim=1)


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
