"""Which class each image looks like, asked of CLIP's texts, of class means, or of a teacher.

Some classes attract everything: a text prototype that is close to all images wins folders that are not its
own. So from each class's logits their typical value is taken off first: the median over the folders of their
means. It does not depend on which folder is called what, so it cannot hide a wrong order, and a folder with
strange content does not move it. Class means of centred embeddings need no such correction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import softmax

Floats = NDArray[np.float32]
Logits = Callable[[NDArray[np.int64]], Floats]
"""Gives the logits ``(n, C)`` of images by their rows ``(n,)``."""

CLASS_MEAN_SCALE = 10.0  # of centred cosines to class means, which lie around 0.5 for the own class

_TYPICAL_OF = 20_000_000  # logits held at once to find what is typical: an even sample of each folder
_CHUNK = 4_000_000  # logits of one step over all images


@dataclass(frozen=True, eq=False)
class Votes:
    """One voter's opinion of every image.

    Attributes:
        voter: who votes: `text`, `images`, `teacher`.
        best: class that each image looks like most, (N,).
        margin: belief in that class minus belief in the class of the folder, 0 to 1, (N,).
        counts: images of each folder by best class, (C, C).
        belief: mean belief of each folder's images in each class, (C, C).
    """

    voter: str
    best: NDArray[np.int64]
    margin: Floats
    counts: NDArray[np.float64]
    belief: NDArray[np.float64]

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of each folder's images that look like each class, (C, C)."""
        shares: NDArray[np.float64] = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        return shares


def vote(
    voter: str, logits: Logits, labels: NDArray[np.int64], num_classes: int, *, balanced: bool = True
) -> Votes:
    """Ask for the class of every image.

    Args:
        voter: name of the voter.
        logits: gives the logits of rows.
        labels: class whose folder each image lies in, (N,), every class present.
        num_classes: number of classes, C.
        balanced: whether to even out that some classes attract everything.

    Examples:
        >>> cosines = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
        >>> vote("text", lambda rows: 5 * cosines[rows], np.array([0, 0, 1]), 2).counts.tolist()
        [[2.0, 0.0], [0.0, 1.0]]
    """
    offsets = -_typical_logits(logits, labels, num_classes) if balanced else np.float32(0)
    best = np.empty(len(labels), dtype=np.int64)
    margin = np.empty(len(labels), dtype=np.float32)
    belief = np.zeros((num_classes, num_classes))
    step = max(1, _CHUNK // num_classes)
    for start in range(0, len(labels), step):
        rows = np.arange(start, min(start + step, len(labels)))
        beliefs = softmax(logits(rows) + offsets, axis=1)
        best[rows] = beliefs.argmax(axis=1)
        margin[rows] = beliefs.max(axis=1) - beliefs[np.arange(len(rows)), labels[rows]]
        members = csr_array((np.ones(len(rows)), (labels[rows], rows - start)), (num_classes, len(rows)))
        belief += members @ beliefs
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (labels, best), 1.0)
    belief /= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return Votes(voter, best, margin, counts, belief)


def vote_by_prototypes(
    voter: str, images: Floats, labels: NDArray[np.int64], prototypes: Floats, scale: float
) -> Votes:
    """Ask the cosines to one vector per class, as text prototypes are.

    Args:
        voter: name of the voter.
        images: unit vectors of the images, (N, d).
        labels: class whose folder each image lies in, (N,).
        prototypes: unit vectors, (C, d).
        scale: factor from cosines to logits.
    """
    return vote(voter, lambda rows: scale * (images[rows] @ prototypes.T), labels, len(prototypes))


def vote_by_class_means(
    images: Floats,
    labels: NDArray[np.int64],
    num_classes: int,
    reference: tuple[Floats, NDArray[np.int64]] | None = None,
) -> Votes:
    """Ask which class's mean image embedding is nearest, both centred on the mean of all classes.

    Args:
        images: unit vectors of the images, (N, d).
        labels: class whose folder each image lies in, (N,).
        num_classes: number of classes, C.
        reference: vectors and labels of other images to take the class means from (default: these, an
            image being left out of its own class's mean). Each set is centred on its own mean, so a shift
            between generated and real images that all classes share plays no part.
    """
    sums, counts = _class_sums(images, labels, num_classes)
    centre = (sums / counts).mean(axis=0)
    if reference is None:
        own_means = sums / counts - centre
    else:
        own_sums, own_counts = _class_sums(*reference, num_classes)
        own_means = own_sums / own_counts
        own_means = own_means - own_means.mean(axis=0)
    means = _unit(own_means)

    def logits(rows: NDArray[np.int64]) -> Floats:
        centred = _unit(images[rows] - centre)
        cosines = centred @ means.T
        if reference is None:
            own = labels[rows]
            others = (sums[own] - images[rows]) / np.maximum(counts[own] - 1, 1) - centre
            cosines[np.arange(len(rows)), own] = (centred * _unit(others)).sum(axis=1)
        scaled: Floats = (CLASS_MEAN_SCALE * cosines).astype(np.float32)
        return scaled

    return vote("images", logits, labels, num_classes, balanced=False)


def even_sample(labels: NDArray[np.int64], at_most: int) -> NDArray[np.int64]:
    """Rows of at most so many images of each class, evenly spaced, ascending.

    Args:
        labels: class of each image, (N,).
        at_most: images of a class, at least 1.

    Examples:
        >>> even_sample(np.array([0, 1, 0, 0, 1, 0, 0]), 3).tolist()
        [0, 1, 3, 4, 6]
    """
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    parts = np.split(order, starts[1:])
    picked = [
        part[np.linspace(0, len(part) - 1, min(at_most, len(part))).round().astype(np.int64)]
        for part in parts
    ]
    return np.sort(np.concatenate(picked))


def _typical_logits(logits: Logits, labels: NDArray[np.int64], num_classes: int) -> Floats:
    """For each class the median over the folders of their mean logit, (C,)."""
    rows = even_sample(labels, max(10, _TYPICAL_OF // num_classes**2))
    sums, counts = _class_sums(logits(rows), labels[rows], num_classes)
    present = np.bincount(labels[rows], minlength=num_classes) > 0
    typical: Floats = np.median((sums / counts)[present], axis=0).astype(np.float32)
    return typical


def _class_sums(
    images: Floats, labels: NDArray[np.int64], num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the vectors of each class (C, d) and their number (C, 1), at least 1."""
    sums = np.zeros((num_classes, images.shape[1]))
    for start in range(0, len(images), 65_536):
        part = slice(start, start + 65_536)
        np.add.at(sums, labels[part], images[part])
    counts = np.bincount(labels, minlength=num_classes)[:, None].astype(np.float64)
    return sums, np.maximum(counts, 1)


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    unit: NDArray[Any] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
