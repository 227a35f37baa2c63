"""Does a folder hold its class alone? If not, which other class, and how much of it?

A folder's votes are explained as a mixture: a share s of another class's profile, the rest of its own. The
share that is most likely says how much of the folder is the other class, corrected for what the voter takes
for what (as prevalence is estimated from an imperfect test; Rogan and Gladen, Am. J. Epidemiology 107, 1978).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.audit.profiles import log_profiles, profile_noise, symmetric_log_profiles
from semdd_lightning.audit.votes import Votes

SUSPECT_SHARE = 0.25  # of a folder's images
NATS_PER_IMAGE = 0.08  # log likelihood ratio of the mixture against the own class alone, a mean over images,
NATS_IN_ALL = 4.0  # and in all
AGREEMENT_RATIO = 0.5  # of what the same voters give real images of the class, where they are at hand
_LEAST_DEVIATIONS = 4.0
_SHARES = np.linspace(0.05, 1.0, 20)
_RIVALS = 5  # classes tried for each folder: those with the most votes


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
        suspect: whether share and evidence are large, or the agreement is far below the reference's.
    """

    agreement: NDArray[np.float64]
    reference_agreement: NDArray[np.float64] | None
    suspected: NDArray[np.int64]
    share: NDArray[np.float64]
    evidence: NDArray[np.float64]
    suspect: NDArray[np.bool_]

    def ranking(self) -> NDArray[np.int64]:
        """Folders, the most suspect first."""
        lost = -self.agreement if self.reference_agreement is None else self._lost()
        return np.lexsort((-lost, -self.evidence * self.share, ~self.suspect))

    def _lost(self) -> NDArray[np.float64]:
        expected = self.agreement if self.reference_agreement is None else self.reference_agreement
        return expected - self.agreement


def folder_contents(votes: Sequence[Votes], reference: Sequence[Votes] | None = None) -> FolderContents:
    """Find folders that do not hold their class.

    With reference images the voters' evidence is averaged. Without, a voter's own habits cannot be told from
    the folder's faults, so the weakest voter's evidence counts: all must see the same other class.

    Args:
        votes: opinions of the pool, one or more voters.
        reference: the same voters' opinions of real images.
    """
    if reference is None:
        profiles = [symmetric_log_profiles(v) for v in votes]
    else:
        profiles = [log_profiles(r) for r in reference]
    pool: Callable[..., NDArray[np.float64]] = np.min if reference is None else np.mean
    found = [
        _best_mixture(folder, [v.counts[folder] for v in votes], profiles, pool)
        for folder in range(len(votes[0].counts))
    ]
    suspected, share, evidence = (np.array(column) for column in zip(*found, strict=True))
    images = votes[0].counts.sum(axis=1)
    heard = votes[:1] if reference is None else votes  # class means of a faulty pool agree with themselves
    agreement = np.mean([np.diag(v.shares) for v in heard], axis=0)
    expected = None if reference is None else np.mean([np.diag(r.shares) for r in reference], axis=0)
    noise = 0.0 if reference is None else np.mean([profile_noise(r) for r in reference], axis=0)
    needed = np.maximum(NATS_IN_ALL, (NATS_PER_IMAGE + noise) * images)
    mixed = (share >= SUSPECT_SHARE) & (evidence >= needed)
    suspect = mixed if expected is None else mixed | _far_below(agreement, expected, images)
    return FolderContents(agreement, expected, suspected, share, evidence, suspect)


def _best_mixture(
    folder: int,
    counts: Sequence[NDArray[np.float64]],
    profiles: Sequence[NDArray[np.float64]],
    pool: Callable[..., NDArray[np.float64]],
) -> tuple[int, float, float]:
    """Other class, its share and the evidence in nats, of the most likely mixture with the own class."""
    total = np.sum(counts, axis=0)
    total[folder] = -1
    rivals = np.argsort(-total, kind="stable")[: min(_RIVALS, len(total) - 1)]
    if len(rivals) == 0:
        return folder, 0.0, 0.0
    ratios = [
        np.log1p(_SHARES[:, None, None] * np.expm1(profile[rivals] - profile[folder])) @ votes
        for votes, profile in zip(counts, profiles, strict=True)
    ]  # of each voter (shares, rivals)
    evidence = pool(ratios, axis=0)
    row, column = np.unravel_index(int(np.argmax(evidence)), evidence.shape)
    if evidence[row, column] <= 0:
        return int(rivals[0]), 0.0, 0.0
    share = _SHARES[row]
    if pool is np.min:  # class means of a faulty folder overstate the other class
        share = min(share, _SHARES[int(np.argmax(ratios[0][:, column]))])
    return int(rivals[column]), float(share), float(evidence[row, column])


def _far_below(
    agreement: NDArray[np.float64], expected: NDArray[np.float64], images: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Folders whose agreement is far below the reference's, given how the whole pool compares with it."""
    shift = float(np.median(agreement / np.maximum(expected, 1e-9)))
    usual = np.clip(min(shift, 1.0) * expected, 1e-3, 1 - 1e-3)
    deviations = (usual - agreement) / np.sqrt(usual * (1 - usual) / np.maximum(images, 1))
    below: NDArray[np.bool_] = (agreement < AGREEMENT_RATIO * usual) & (deviations >= _LEAST_DEVIATIONS)
    return below
