"""Embeddings in the plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh


def principal_plane(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The two principal components of vectors ``(n, d)``: coordinates ``(n, 2)`` and their share of variance.

    The share is 0 where all vectors are the same. A component points to where its largest loading is
    positive, so that the same vectors give the same plane.

    >>> plane, share = principal_plane(np.array([[0.0, 3.0], [0.0, -3.0]]))
    >>> plane[:, 0].tolist(), share
    ([3.0, -3.0], 1.0)

    Args:
        vectors: One row for each image.
    """
    centred = vectors - vectors.mean(axis=0)
    scatter = centred.T @ centred
    size = len(scatter)
    values, axes = eigh(scatter, subset_by_index=(max(0, size - 2), size - 1))
    values, axes = values[::-1], axes[:, ::-1]  # the largest first
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1.0, 1.0)
    plane = np.zeros((len(vectors), 2))
    plane[:, : axes.shape[1]] = centred @ axes
    total = float(np.trace(scatter))
    return plane, float(values.clip(min=0).sum()) / total if total > 0 else 0.0
