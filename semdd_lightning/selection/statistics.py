"""What a selection bought: the same numbers for pool, candidates, selection and a random selection."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import Embeddings
from semdd_lightning.selection.largest_product import LargestProduct
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.pieces import DEFAULT_CHUNK, map_pool, row_chunks
from semdd_lightning.selection.pool_scorer import PoolScorer
from semdd_lightning.selection.quality import QualityRule
from semdd_lightning.selection.samplers.random import random_positions
from semdd_lightning.selection.scores.of_prototypes import ClassSeparability
from semdd_lightning.selection.selection import Selection
from semdd_lightning.selection.several_priors import mean_pairwise_distance

METRICS = ("zero_shot_accuracy", "mean_relevance", "mean_margin", "mean_pairwise_distance", "coverage")


def selection_report(embeddings: Embeddings, selection: Selection, seed: int = 0) -> pd.DataFrame:
    """Overall statistics: rows pool, candidates, selection and random, one column per metric.

    Args:
        embeddings: The pool that was selected from.
        selection: What was chosen.
        seed: Seed of the random selection of the same size.
    """
    return overall_report(class_report(embeddings, selection, seed))


def overall_report(by_class: pd.DataFrame) -> pd.DataFrame:
    """The statistics of `subset_statistics` over all classes: one row per set.

    Accuracy, relevance and margin are means over the images of the set; distance and coverage, which are
    properties of a class, are means over the classes that have them.

    Args:
        by_class: One row per set and class.
    """
    rows = {}
    for name, of_set in by_class.groupby("set", sort=False):
        sizes = of_set["num_images"].to_numpy(dtype="int64")
        per_image = {metric: _mean(of_set[metric], sizes) for metric in METRICS[:3]}
        per_class = {metric: _mean(of_set[metric]) for metric in METRICS[3:]}
        rows[str(name)] = {"num_images": int(sizes.sum())} | per_image | per_class
    frame = pd.DataFrame.from_dict(rows, orient="index").astype({"num_images": "int64"})
    return frame.rename_axis("set")


def class_report(embeddings: Embeddings, selection: Selection, seed: int = 0) -> pd.DataFrame:
    """The statistics of `selection_report` for every class: one row per set and class.

    Args:
        embeddings: The pool that was selected from.
        selection: What was chosen.
        seed: Seed of the random selection of the same size.

    Raises:
        SelectionError: If the selection is from another pool.
    """
    if len(selection.scores) != embeddings.num_images:
        msg = (
            f"Expected a selection from these {embeddings.num_images} images, found one from "
            f"{len(selection.scores)}; pass the embeddings that were selected from."
        )
        raise SelectionError(msg)
    drawn = [
        rows[random_positions(len(rows), selection.ipc, seed, class_index)]
        for class_index, rows in enumerate(embeddings.class_rows())
    ]
    subsets = {
        "pool": torch.arange(embeddings.num_images),
        "candidates": torch.from_numpy(np.flatnonzero(selection.scores["candidate"].to_numpy())),
        "selection": selection.indices,
        "random": torch.cat(drawn),
    }
    return subset_statistics(embeddings, subsets)


def subset_statistics(embeddings: Embeddings, subsets: Mapping[str, Tensor]) -> pd.DataFrame:
    """Statistics of sets of images under the text prototypes: one row per set and class.

    Columns: ``set``; ``class_index``; ``num_images`` of the set in the class; ``zero_shot_accuracy``, the
    share of them whose nearest text prototype is that of their class; ``mean_relevance``, the mean cosine to
    it; ``mean_margin``, the mean lead of it over the next (NaN with one class); ``mean_pairwise_distance``,
    the mean of 1 - cosine over distinct pairs (NaN for one image); ``coverage``, the mean over the class's
    pool images of the cosine to the nearest image of the set. NaN where a class has too few images.

    Args:
        embeddings: The embedded pool; classes may be empty.
        subsets: By name, the pool rows of each set ``(m,)``, int64, distinct.

    Raises:
        SelectionError: If an index repeats or lies outside the pool.
    """
    members = [_membership(indices, embeddings.num_images) for indices in subsets.values()]
    scorer = PoolScorer(embeddings, QualityRule(prototypes="text", separability_weight=0.0), ipc=1)

    def describe(class_index: int, rows: Tensor) -> list[dict[str, float]]:
        pool = scorer.class_pool(class_index, rows) if len(rows) else None
        return [_of_class(pool, torch.nonzero(member[rows])[:, 0]) for member in members]

    found = map_pool(describe, embeddings)
    rows = [
        {"set": name, "class_index": class_index, **of_sets[position]}
        for position, name in enumerate(subsets)
        for class_index, of_sets in enumerate(found)
    ]
    return pd.DataFrame(rows)


def _of_class(pool: ClassPool | None, chosen: Tensor) -> dict[str, float]:
    """The statistics of some images of a class, which are none where it is empty."""
    if pool is None:
        return {"num_images": 0} | dict.fromkeys(METRICS, float("nan"))
    vectors = pool.image_embeddings
    margin = pool.scores.get(ClassSeparability.name, torch.full_like(pool.own, torch.nan))
    return {
        "num_images": len(chosen),
        "zero_shot_accuracy": float((pool.predicted[chosen] == pool.class_index).double().mean()),
        "mean_relevance": float(pool.own[chosen].mean()),
        "mean_margin": float(margin[chosen].mean()),
        "mean_pairwise_distance": mean_pairwise_distance(vectors[chosen]),
        "coverage": coverage(vectors, chosen),
    }


def coverage(image_embeddings: Tensor, selected: Tensor) -> float:
    """Mean over a class of the cosine to the nearest selected image; a selected image covers itself with 1.

    Args:
        image_embeddings: Unit vectors of one class ``(n, d)``, float64.
        selected: Positions of the selected images ``(m,)``, int64, distinct; none gives NaN.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    >>> round(coverage(z, torch.tensor([0])), 6)
    0.8
    """
    if len(selected) == 0:
        return float("nan")
    if len(selected) == len(image_embeddings):
        return 1.0
    find = LargestProduct(image_embeddings[selected])
    chunks = row_chunks(len(image_embeddings), DEFAULT_CHUNK)
    nearest = torch.cat([find(image_embeddings[rows])[1] for rows in chunks])
    nearest[selected] = 1.0
    return float(nearest.mean())


def _membership(indices: Tensor, num_images: int) -> Tensor:
    rows = indices.cpu()
    if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= num_images):
        msg = (
            f"Expected indices in [0, {num_images}), found values from {int(rows.min())} to "
            f"{int(rows.max())}; pass rows of this pool."
        )
        raise SelectionError(msg)
    member = torch.zeros(num_images, dtype=torch.bool)
    member[rows] = True
    if int(member.sum()) != len(rows):
        msg = (
            f"Expected distinct indices, found {len(rows) - int(member.sum())} repeated; pass each row once."
        )
        raise SelectionError(msg)
    return member


def _mean(column: pd.Series[float], weights: NDArray[np.int64] | None = None) -> float:
    values = column.to_numpy(dtype="float64")
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    return float(np.average(values[known], weights=None if weights is None else weights[known]))
