"""Is there another order of the classes that explains the pool clearly better than the registry's?

Found as an assignment problem (SciPy), taken apart into its cycles, each of which must convince by itself: in
a pool of a thousand classes two swapped folders change the accuracy by a fraction of a percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import rel_entr

from semdd_lightning.audit.contents import log_profiles, profile_noise
from semdd_lightning.audit.votes import Votes

STAYING_BONUS = 1.25  # belief in another class must exceed that in the own by a quarter to be looked at
ACCURACY_RATIO = 1.5  # moved folders: accuracy under the other order against that under the registry's
LEAST_ACCURACY = 0.2  # and that accuracy itself: a CLIP that knows nothing finds some order a little better
ERROR_RATE = 1e-3  # that chance explains as many images by the best of all orders of the moved folders
NATS_PER_IMAGE = 0.15  # with a reference: log likelihood ratio of the moved folders, a mean over images,
NATS_IN_ALL = 8.0  # and in all, or twice what it takes to name the moved folders' classes among C


@dataclass(frozen=True, eq=False)
class ClassOrder:
    """Which class each folder seems to hold, if folders and classes are paired one to one.

    Attributes:
        voters: who said so.
        order: class that each folder holds, (C,); the identity where the registry's order stands.
        accuracy: share of images, over equal folders, that look like the class of their folder.
        best_accuracy: the same under `order`.
    """

    voters: tuple[str, ...]
    order: NDArray[np.int64]
    accuracy: float
    best_accuracy: float

    @property
    def moved(self) -> NDArray[np.int64]:
        """Folders whose class is another one."""
        return np.flatnonzero(self.order != np.arange(len(self.order)))


def explain_order(votes: Votes) -> ClassOrder:
    """Look for a better order by the votes on the pool alone.

    The assignment maximises the mean belief of the folders in their classes. A cycle of moved folders counts
    if, on its images, the accuracy under the other order is at least 20 % and 1.5 times the registry's, the
    difference is larger than the largest of C x C chance differences would be (`_least_deviations`), and
    chance alone would not explain as many images by the best of all orders.
    """
    best = _assign(votes.belief, STAYING_BONUS)
    if (best != np.arange(len(best))).mean() > 0.5:  # nothing stays by merit, so staying earns no bonus
        best = _assign(votes.belief, 1.0)
    order = np.arange(len(best))
    for cycle in _cycles(best):
        if votes.counts[cycle].any(axis=1).all() and _convinces(votes.counts[cycle], cycle, best[cycle]):
            order[cycle] = best[cycle]
    return _class_order((votes,), order)


def explain_order_by_reference(votes: Sequence[Votes], reference: Sequence[Votes]) -> ClassOrder:
    """Look for a better order by how the same voters see real images of each class.

    A folder's votes are a sample out of the reference votes of the class that it holds; the assignment
    maximises the likelihood, so a voter's habit of taking one class for another does no harm.

    Args:
        votes: opinions of the pool, one or more voters.
        reference: the same voters' opinions of real images.
    """
    likelihood = sum(v.counts @ log_profiles(r.counts).T for v, r in zip(votes, reference, strict=True))
    likelihood = np.asarray(likelihood) / len(votes)  # voters see the same images: no independent evidence
    needed = NATS_PER_IMAGE + np.mean([profile_noise(r) for r in reference], axis=0)  # nats per image, (C,)
    images = votes[0].counts.sum(axis=1)
    best = _assign(likelihood, 1.0)
    order = np.arange(len(best))
    for cycle in _cycles(best):
        gain = float((likelihood[cycle, best[cycle]] - likelihood[cycle, cycle]).sum())
        in_all = max(NATS_IN_ALL, 2 * len(cycle) * np.log(len(best)))
        if images[cycle].all() and gain >= in_all and gain >= float(needed[cycle] @ images[cycle]):
            order[cycle] = best[cycle]
    return _class_order(votes, order)


def _class_order(votes: Sequence[Votes], order: NDArray[np.int64]) -> ClassOrder:
    shares = np.mean([v.shares for v in votes], axis=0)
    folders = np.arange(len(order))
    return ClassOrder(
        tuple(v.voter for v in votes),
        order,
        float(shares[folders, folders].mean()),
        float(shares[folders, order].mean()),
    )


def _assign(gain: NDArray[np.float64], bonus: float) -> NDArray[np.int64]:
    """The class of each folder, one to one, that maximises the total gain."""
    adjusted = gain.copy()
    np.fill_diagonal(adjusted, bonus * np.diag(gain))
    _, classes = linear_sum_assignment(adjusted, maximize=True)
    return np.asarray(classes, dtype=np.int64)


def _cycles(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The cycles of a permutation that move something."""
    classes = len(order)
    steps = csr_array((np.ones(classes), (np.arange(classes), order)), (classes, classes))
    number, cycle_of = connected_components(steps, directed=False)
    cycles = [np.flatnonzero(cycle_of == cycle) for cycle in range(number)]
    return [cycle for cycle in cycles if len(cycle) > 1]


def _convinces(counts: NDArray[np.float64], folders: NDArray[np.int64], classes: NDArray[np.int64]) -> bool:
    """Whether folders with these votes (n, C) look clearly more like `classes` (n,) than like their own."""
    rows = np.arange(len(folders))
    own, other = counts[rows, folders], counts[rows, classes]
    images = counts.sum()
    difference = (other - own).sum() / images
    variance = (other + own).sum() / images - difference**2 + 1 / images
    deviations = difference / np.sqrt(variance / images)
    share, chance = other.sum() / images, 1 / counts.shape[1]
    by_chance = -images * (rel_entr(share, chance) + rel_entr(1 - share, 1 - chance))  # Chernoff's bound
    choices = len(folders) * np.log(counts.shape[1])  # an order fitted to few images explains them by itself
    return bool(
        other.sum() >= max(ACCURACY_RATIO * own.sum(), LEAST_ACCURACY * images)
        and deviations >= _least_deviations(counts.shape[1])
        and by_chance + choices <= np.log(ERROR_RATE)
    )


def _least_deviations(num_classes: int) -> float:
    """Half a standard deviation above the expected largest of C x C standard normal values.

    >>> round(_least_deviations(10), 2), round(_least_deviations(1000), 2)
    (3.53, 5.76)
    """
    return float(np.sqrt(4 * np.log(max(num_classes, 2))) + 0.5)
