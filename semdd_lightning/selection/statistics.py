"""What a selection bought: the same numbers for pool, candidates, selection and a random selection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.class_threads import map_pool
from semdd_lightning.selection.embeddings import Embeddings, as_float64
from semdd_lightning.selection.pool_scorer import PoolScorer
from semdd_lightning.selection.quality import QualityRule
from semdd_lightning.selection.samplers.random import random_positions
from semdd_lightning.selection.scores import ClassRelevance, ClassSeparability
from semdd_lightning.selection.selection import Selection
from semdd_lightning.selection.set_geometry import coverage, mean_pairwise_distance

METRICS = ("zero_shot_accuracy", "mean_relevance", "mean_margin", "mean_pairwise_distance", "coverage")


@dataclass(frozen=True, eq=False)
class SubsetStatistics:
    """Statistics of a subset of the pool for every class; NaN where a class has too few images for a number.

    Args:
        num_images: Images of the subset in each class ``(C,)``.
        zero_shot_accuracy: Share of images whose nearest text prototype is that of their class ``(C,)``.
        mean_relevance: Mean cosine to the own text prototype ``(C,)``.
        mean_margin: Mean lead of the own text prototype over the next ``(C,)``; NaN with one class.
        mean_pairwise_distance: Mean of 1 - cosine over the distinct pairs of the class ``(C,)``; NaN for one
            image.
        coverage: Mean over the class's pool images of the cosine to the nearest subset image ``(C,)``.
    """

    num_images: NDArray[np.int64]
    zero_shot_accuracy: NDArray[np.float64]
    mean_relevance: NDArray[np.float64]
    mean_margin: NDArray[np.float64]
    mean_pairwise_distance: NDArray[np.float64]
    coverage: NDArray[np.float64]

    def overall(self) -> dict[str, float]:
        """One number for each metric.

        Accuracy, relevance and margin are means over the images of the subset; distance and coverage, which
        are properties of a class, are means over the classes that have them.
        """
        per_image = {name: _mean(getattr(self, name), self.num_images) for name in METRICS[:3]}
        per_class = {name: _mean(getattr(self, name)) for name in METRICS[3:]}
        return per_image | per_class

    def to_frame(self) -> pd.DataFrame:
        """One row per class."""
        columns = {name: getattr(self, name) for name in ("num_images", *METRICS)}
        return pd.DataFrame({"class_index": np.arange(len(self.num_images)), **columns})


@dataclass(frozen=True, eq=False)
class ZeroShotScores:
    """What the text prototypes say of every image of a pool.

    Args:
        relevance: Cosine to the own text prototype ``(N,)``, float64.
        margin: Lead of the own text prototype over the next ``(N,)``, float64; NaN with one class.
        predicted: Class of the nearest text prototype ``(N,)``, int64.
    """

    relevance: Tensor
    margin: Tensor
    predicted: Tensor


def zero_shot_scores(embeddings: Embeddings) -> ZeroShotScores:
    """Scores of a whole pool under its text prototypes.

    Args:
        embeddings: The embedded pool; classes may be empty.
    """
    scorer = PoolScorer(embeddings, QualityRule(prototypes="text", separability_weight=0.0), ipc=1)
    relevance, margin = torch.full((2, embeddings.num_images), torch.nan, dtype=torch.float64)
    predicted = torch.empty(embeddings.num_images, dtype=torch.int64)

    def score(class_index: int, rows: Tensor) -> tuple[Mapping[str, Tensor], Tensor] | None:
        if len(rows) == 0:
            return None
        pool = scorer.class_pool(class_index, rows)
        return pool.scores, pool.predicted  # and nothing else: a class's vectors are many

    # entered here: a thread does not inherit the inference mode in which these tensors may have been made
    for rows, found in zip(embeddings.class_rows(), map_pool(score, embeddings), strict=True):
        if found is not None:
            scores, predicted[rows] = found
            relevance[rows] = scores[ClassRelevance.name]
            margin[rows] = scores.get(ClassSeparability.name, margin[rows])
    return ZeroShotScores(relevance, margin, predicted)


def subset_statistics(
    embeddings: Embeddings, indices: Tensor, scores: ZeroShotScores | None = None
) -> SubsetStatistics:
    """Statistics of some images of the pool, under the text prototypes.

    Args:
        embeddings: The embedded pool.
        indices: Pool rows of the subset ``(m,)``, int64, distinct.
        scores: Zero-shot scores of the pool, if they are known already.

    Raises:
        SelectionError: If an index repeats or lies outside the pool.
    """
    member = _membership(indices, embeddings.num_images)
    scores = zero_shot_scores(embeddings) if scores is None else scores
    columns: dict[str, list[float]] = {name: [] for name in METRICS}
    counts = []
    for class_index, rows in enumerate(embeddings.class_rows()):
        positions = torch.nonzero(member[rows])[:, 0]
        chosen = rows[positions]
        counts.append(len(chosen))
        vectors = as_float64(embeddings.image_embeddings[rows.to(embeddings.image_embeddings.device)])
        columns["zero_shot_accuracy"].append(float((scores.predicted[chosen] == class_index).double().mean()))
        columns["mean_relevance"].append(float(scores.relevance[chosen].mean()))
        columns["mean_margin"].append(float(scores.margin[chosen].mean()))
        columns["mean_pairwise_distance"].append(mean_pairwise_distance(vectors[positions]))
        columns["coverage"].append(coverage(vectors, positions))
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    return SubsetStatistics(num_images=np.array(counts, dtype=np.int64), **arrays)


def selection_report(embeddings: Embeddings, selection: Selection, seed: int = 0) -> pd.DataFrame:
    """Overall statistics: rows pool, candidates, selection and random, one column per metric.

    Args:
        embeddings: The pool that was selected from.
        selection: What was chosen.
        seed: Seed of the random selection of the same size.
    """
    return overall_report(class_report(embeddings, selection, seed))


def overall_report(by_class: pd.DataFrame) -> pd.DataFrame:
    """The statistics of `class_report` over all classes, as `selection_report` has them.

    Args:
        by_class: One row per set and class.
    """
    rows = {}
    for name, of_set in by_class.groupby("set", sort=False):
        columns = {metric: of_set[metric].to_numpy(dtype="float64") for metric in METRICS}
        statistics = SubsetStatistics(of_set["num_images"].to_numpy(dtype="int64"), **columns)
        rows[str(name)] = {"num_images": int(statistics.num_images.sum())} | statistics.overall()
    frame = pd.DataFrame.from_dict(rows, orient="index").astype({"num_images": "int64"})
    return frame.rename_axis("set")


def class_report(embeddings: Embeddings, selection: Selection, seed: int = 0) -> pd.DataFrame:
    """The statistics of `selection_report` for every class: one row per set and class.

    Args:
        embeddings: The pool that was selected from.
        selection: What was chosen.
        seed: Seed of the random selection of the same size.
    """
    sets = _compared_sets(embeddings, selection, seed)
    frames = []
    for name, stats in sets.items():
        frame = stats.to_frame()
        frame.insert(0, "set", name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _compared_sets(embeddings: Embeddings, selection: Selection, seed: int) -> dict[str, SubsetStatistics]:
    if len(selection.scores) != embeddings.num_images:
        msg = (
            f"Expected a selection from these {embeddings.num_images} images, found one from "
            f"{len(selection.scores)}; pass the embeddings that were selected from."
        )
        raise SelectionError(msg)
    candidates = np.flatnonzero(selection.scores["candidate"].to_numpy())
    drawn = [
        rows[random_positions(len(rows), selection.ipc, seed, class_index)]
        for class_index, rows in enumerate(embeddings.class_rows())
    ]
    subsets = {
        "pool": torch.arange(embeddings.num_images),
        "candidates": torch.from_numpy(candidates),
        "selection": selection.indices,
        "random": torch.cat(drawn),
    }
    scores = zero_shot_scores(embeddings)
    return {name: subset_statistics(embeddings, indices, scores) for name, indices in subsets.items()}


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


def _mean(values: NDArray[np.float64], weights: NDArray[np.int64] | None = None) -> float:
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    return float(np.average(values[known], weights=None if weights is None else weights[known]))
