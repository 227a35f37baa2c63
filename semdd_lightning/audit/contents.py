"""Does a folder hold its class alone? If not, which other class, and how much of it?

A folder's votes are explained as a mixture: a share s of another class's profile, the rest of its own. The
share that is most likely says how much of the folder is the other class, corrected for what the voter takes
for what (as prevalence is estimated from an imperfect test; Rogan and Gladen, Am. J. Epidemiology 107, 1978).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.audit.votes import Votes

SUSPECT_SHARE = 0.25  # of a folder's images
NATS_PER_IMAGE = 0.08  # log likelihood ratio of the mixture against the own class alone, a mean over images,
NATS_IN_ALL = 4.0  # and in all
AGREEMENT_RATIO = 0.5  # of what the same voters give real images of the class, where they are at hand
_LEAST_DEVIATIONS = 4.0
_WELL_KNOWN = 0.5  # median agreement of the folders from which a voter is believed to know the classes
_NEXT_TO_NOTHING = 0.25  # of that median
_SHARES = np.linspace(0.05, 1.0, 20)
_FLOOR = 0.02  # of the votes may go anywhere: a single odd image must not decide
_RIVALS = 5  # classes tried for each folder: those with the most votes; two where there is no reference


@dataclass(frozen=True, eq=False)
class FolderContents:
    """What each folder holds, all arrays (C,).

    Attributes:
        agreement: share of images that look like the folder's class, by the first voter or, where there are
            reference images, a mean over all.
        reference_agreement: the same for real images of the class, where there are any.
        suspected: the other class that the folder resembles most.
        share: share of its images that are of that class, by the most likely mixture.
        evidence: log likelihood ratio of that mixture against the own class alone, in nats.
        suspect: whether share and evidence are large, the agreement is far below the reference's or, without
            one, the other folders', or there is no image.
    """

    agreement: NDArray[np.float64]
    reference_agreement: NDArray[np.float64] | None
    suspected: NDArray[np.int64]
    share: NDArray[np.float64]
    evidence: NDArray[np.float64]
    suspect: NDArray[np.bool_]

    def ranking(self) -> NDArray[np.int64]:
        """Folders, the most suspect first."""
        expected = 0.0 if self.reference_agreement is None else self.reference_agreement
        return np.lexsort((self.agreement - expected, -self.evidence * self.share, ~self.suspect))


def folder_contents(votes: Sequence[Votes], reference: Sequence[Votes] | None = None) -> FolderContents:
    """Find folders that do not hold their class.

    With reference images the voters' evidence is averaged. Without, a voter's own habits cannot be told from
    the folder's faults, so the weakest voter's evidence counts: all must see the same other class.

    Args:
        votes: opinions of the pool, one or more voters.
        reference: the same voters' opinions of real images.
    """
    alone = reference is None
    real = votes if reference is None else reference
    profiles = [_symmetric_log_profiles(v) if alone else log_profiles(v.counts) for v in real]
    heard = votes[:1] if alone else votes  # class means of a faulty pool agree with themselves
    others = np.sum([v.counts for v in heard], axis=0)
    np.fill_diagonal(others, -1)
    most = min(2 if alone else _RIVALS, len(others) - 1)
    images = votes[0].counts.sum(axis=1)
    found = [
        _best_mixture(np.argsort(-others[folder], kind="stable")[:most], folder, votes, profiles, alone=alone)
        for folder in range(len(images))
    ]
    suspected, share, evidence = (np.array(column) for column in zip(*found, strict=True))
    agreement = np.mean([np.diag(v.shares) for v in heard], axis=0)
    expected = None if alone else np.mean([np.diag(v.shares) for v in real], axis=0)
    noise = 0.0 if alone else np.mean([profile_noise(v) for v in real], axis=0)
    mixed = (share >= SUSPECT_SHARE) & (
        evidence >= np.maximum(NATS_IN_ALL, (NATS_PER_IMAGE + noise) * images)
    )
    lost = _far_below(agreement, expected, images)
    return FolderContents(agreement, expected, suspected, share, evidence, mixed | lost | (images == 0))


def _best_mixture(
    rivals: NDArray[np.int64],
    folder: int,
    votes: Sequence[Votes],
    profiles: Sequence[NDArray[np.float64]],
    *,
    alone: bool,
) -> tuple[int, float, float]:
    """Other class, its share and the evidence in nats, of the most likely mixture with the own class."""
    if len(rivals) == 0:
        return folder, 0.0, 0.0
    ratios = [
        np.log1p(_SHARES[:, None, None] * np.expm1(profile[rivals] - profile[folder])) @ v.counts[folder]
        for v, profile in zip(votes, profiles, strict=True)
    ]  # of each voter (shares, rivals)
    evidence = np.min(ratios, axis=0) if alone else np.mean(ratios, axis=0)
    row, column = np.unravel_index(int(np.argmax(evidence)), evidence.shape)
    if evidence[row, column] <= 0:
        return int(rivals[0]), float(votes[0].shares[folder, rivals[0]]), 0.0
    share = float(_SHARES[row])
    if alone:  # class means of a faulty folder overstate the other class
        share = min(share, float(_SHARES[int(np.argmax(ratios[0][:, column]))]))
    return int(rivals[column]), share, float(evidence[row, column])


def _far_below(
    agreement: NDArray[np.float64], expected: NDArray[np.float64] | None, images: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Folders whose agreement is far below the reference's, given how the whole pool compares with it.

    Without a reference: folders that show next to nothing of their class to a voter that knows most of the
    others well.
    """
    if expected is None:
        usual = np.full(len(agreement), np.clip(np.median(agreement), 1e-9, 1 - 1e-9))
        ratio = _NEXT_TO_NOTHING if usual[0] >= _WELL_KNOWN else 0.0
    else:
        shift = float(np.median(agreement / np.maximum(expected, 1e-9)))
        usual, ratio = np.clip(min(shift, 1.0) * expected, 1e-3, 1 - 1e-3), AGREEMENT_RATIO
    deviations = (usual - agreement) / np.sqrt(usual * (1 - usual) / np.maximum(images, 1))
    below: NDArray[np.bool_] = (agreement < ratio * usual) & (deviations >= _LEAST_DEVIATIONS)
    return below


def log_profiles(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the share of votes for each class among images of each class, smoothed, (C, C).

    Args:
        counts: votes on images of each class for each class, (C, C).
    """
    shares = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
    logs: NDArray[np.float64] = np.log((1 - _FLOOR) * shares + _FLOOR / counts.shape[1])
    return logs


def profile_noise(votes: Votes) -> NDArray[np.float64]:
    """Nats per image, for each class, that a profile from so few images may be off by, (C,).

    Half of (k - 1) / 2n, the expected divergence of a distribution over k values from its estimate out of n,
    where k is the number of classes that really get votes (the exponential of the entropy).

    Args:
        votes: opinions of images whose folders are right.
    """
    profiles = log_profiles(votes.counts)
    support = np.exp(-(np.exp(profiles) * profiles).sum(axis=1))
    noise: NDArray[np.float64] = (support - 1) / (4 * np.maximum(votes.counts.sum(axis=1), 1))
    return noise


def _symmetric_log_profiles(votes: Votes) -> NDArray[np.float64]:
    """The same where no images with right folders are at hand, out of the votes on the pool itself, (C, C).

    Classes that look alike are taken for each other both ways, while a folder that is half filled with
    another class looks like it one way only: of two folders the smaller of the two shares is expected.
    """
    shares = np.minimum(votes.shares, votes.shares.T)
    np.fill_diagonal(shares, 0.0)
    np.fill_diagonal(shares, 1.0 - shares.sum(axis=1))
    return log_profiles(shares * votes.counts.sum(axis=1, keepdims=True))
