"""Embeddings in the plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh


def principal_plane(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The two principal components of vectors ``(n, d)``: coordinates ``(n, 2)`` and their share of variance.

    The share is 0 where all vectors are the same. The farthest image along a component lies on its positive
    side, so that the same vectors give the same plane.

    >>> plane, share = principal_plane(np.array([[0.0, 3.0], [0.0, -3.0]]))
    >>> plane[:, 0].tolist(), share
    ([3.0, -3.0], 1.0)

    Args:
        vectors: One row for each image.
    """
    centred = vectors - vectors.mean(axis=0)
    few = centred.shape[0] < centred.shape[1]
    products = (
        centred @ centred.T if few else centred.T @ centred
    )  # the smaller; their eigenvalues are the same
    size = len(products)
    values, axes = eigh(products, subset_by_index=(max(0, size - 2), size - 1))
    values, axes = values[::-1].clip(min=0), axes[:, ::-1]  # the largest first
    found = axes * np.sqrt(values) if few else centred @ axes
    farthest = found[np.abs(found).argmax(axis=0), range(found.shape[1])]
    plane = np.zeros((len(vectors), 2))
    plane[:, : found.shape[1]] = np.where(farthest < 0, -found, found)
    total = float(np.trace(products))
    return plane, float(values.sum()) / total if total > 0 else 0.0
