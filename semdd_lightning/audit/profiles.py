"""What votes to expect of a folder that holds its class and nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.audit.votes import Votes

_FLOOR = 0.02  # of the votes may go anywhere: a single odd image must not decide


def log_profiles(votes: Votes) -> NDArray[np.float64]:
    """Log of the share of votes for each class among images of each class, (C, C).

    Args:
        votes: opinions of images whose folders are right.
    """
    return _log_smoothed(votes.counts)


def profile_noise(votes: Votes) -> NDArray[np.float64]:
    """Nats per image, for each class, that a profile from so few images may be off by, (C,).

    Half of (k - 1) / 2n, the expected divergence of a distribution over k values from its estimate out of n,
    where k is the number of classes that really get votes (the exponential of the entropy).

    Args:
        votes: opinions of images whose folders are right.
    """
    profiles = log_profiles(votes)
    support = np.exp(-(np.exp(profiles) * profiles).sum(axis=1))
    noise: NDArray[np.float64] = (support - 1) / (4 * np.maximum(votes.counts.sum(axis=1), 1))
    return noise


def symmetric_log_profiles(votes: Votes) -> NDArray[np.float64]:
    """The same where no images with right folders are at hand, out of the votes on the pool itself, (C, C).

    Classes that look alike are taken for each other both ways, while a folder that is half filled with
    another class looks like it one way only: of two folders the smaller of the two shares is expected.

    Args:
        votes: opinions of the pool's images.
    """
    shares = np.minimum(votes.shares, votes.shares.T)
    np.fill_diagonal(shares, 0.0)
    np.fill_diagonal(shares, 1.0 - shares.sum(axis=1))
    return _log_smoothed(shares * votes.counts.sum(axis=1, keepdims=True))


def _log_smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
    logs: NDArray[np.float64] = np.log((1 - _FLOOR) * shares + _FLOOR / counts.shape[1])
    return logs
