"""From votes to a verdict: go on, go on with a warning, or refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.audit.contents import FolderContents, folder_contents
from semdd_lightning.audit.order import ACCURACY_RATIO, ClassOrder, explain_order, explain_order_by_reference
from semdd_lightning.audit.votes import Votes

MOST_SUSPECTS = 0.2  # share of the folders; more of them, and at least two, are a refusal
STRAY_MARGIN = 0.5  # belief in another class above that in the own, by every voter, of a single image


@dataclass(frozen=True, eq=False)
class Audit:
    """What the voters say about a pool.

    Attributes:
        clip: order of the classes by CLIP.
        teacher: order of the classes by the teacher, where one votes.
        contents: what each folder holds.
        looks: share of each folder's images that look like each class, by CLIP, (C, C).
        strays: rows of single images that every voter takes for the same other class, surest first.
        stray_classes: that class, for each.
        knows_classes: whether the voters of CLIP tell the classes apart at all.
        most_suspects: share of suspect folders above which the pool is refused.
    """

    clip: ClassOrder
    teacher: ClassOrder | None
    contents: FolderContents
    looks: NDArray[np.float64]
    strays: NDArray[np.int64]
    stray_classes: NDArray[np.int64]
    knows_classes: bool
    most_suspects: float = MOST_SUSPECTS

    @property
    def voice(self) -> ClassOrder:
        """Whose order counts: CLIP's, or the teacher's where CLIP would move nothing."""
        return self.clip if self.teacher is None or len(self.clip.moved) else self.teacher

    @property
    def order(self) -> NDArray[np.int64]:
        """Class that each folder holds, (C,)."""
        return self.voice.order

    @property
    def suspects(self) -> NDArray[np.int64]:
        """Folders that do not hold their class alone, most suspect first; moved ones are not among them."""
        suspect = self.contents.suspect & (self.order == np.arange(len(self.order)))
        ranking = self.contents.ranking()
        return np.asarray(ranking[suspect[ranking]])

    @property
    def other_order(self) -> bool:
        """Whether another order of the classes explains the pool clearly better."""
        return len(self.voice.moved) > 0

    def share_of(self, folder: int) -> float:
        """Share of a folder's images that are of the other class that it is said to hold, 0 to 1."""
        if self.order[folder] == folder:
            return float(self.contents.share[folder])
        return float(self.looks[folder, self.order[folder]])

    @property
    def too_many_suspects(self) -> bool:
        """Whether more than the stated share of folders, and at least two, are suspect."""
        return len(self.suspects) > max(1.0, self.most_suspects * len(self.order))

    @property
    def refused(self) -> bool:
        """Whether to refuse the pool."""
        return self.other_order or self.too_many_suspects


def judge(
    votes: Sequence[Votes],
    reference: Sequence[Votes] | None = None,
    *,
    teacher: Votes | None = None,
    teacher_reference: Votes | None = None,
    most_suspects: float = MOST_SUSPECTS,
) -> Audit:
    """Judge a pool by the votes on its images.

    Args:
        votes: CLIP's opinions of the pool: first by texts, then by class means of images.
        reference: the same voters' opinions of real images, where there are any.
        teacher: a teacher's opinion of the pool, where there is one.
        teacher_reference: the teacher's opinion of the same real images.
        most_suspects: share of suspect folders above which the pool is refused, 0 to 1.
    """
    clip = explain_order(votes[0]) if reference is None else explain_order_by_reference(votes, reference)
    by_teacher = None
    if teacher is not None and teacher_reference is not None:
        by_teacher = explain_order_by_reference([teacher], [teacher_reference])
    elif teacher is not None:
        by_teacher = explain_order(teacher)
    if teacher is not None and len(clip.moved) and _contradicts(teacher, clip):
        clip = ClassOrder(clip.voters, np.arange(len(clip.order)), clip.accuracy, clip.accuracy)
    contents = folder_contents(votes, reference)
    if teacher is not None:  # it sees their class in most images of some folders
        contents = replace(contents, suspect=contents.suspect & (np.diag(teacher.shares) <= 0.5))
    strays, stray_classes = _strays(votes if teacher is None else [*votes, teacher])
    return Audit(
        clip,
        by_teacher,
        contents,
        np.mean([v.shares for v in (votes if reference is not None else votes[:1])], axis=0),
        strays,
        stray_classes,
        knows_classes=_above_chance(votes[0], clip),
        most_suspects=most_suspects,
    )


def _contradicts(teacher: Votes, clip: ClassOrder) -> bool:
    """Whether a teacher sees the folders that CLIP would move just where they are."""
    moved = clip.moved
    staying, moving = teacher.shares[moved, moved], teacher.shares[moved, clip.order[moved]]
    return bool(staying.sum() >= ACCURACY_RATIO * moving.sum() and staying.mean() > 2 / len(clip.order))


def _above_chance(votes: Votes, clip: ClassOrder) -> bool:
    """Whether the votes agree with some order clearly more often than a coin with C sides."""
    classes, images = len(clip.order), votes.counts.sum()
    chance = 1 / classes
    deviation = np.sqrt(chance * (1 - chance) / max(images, 1))
    return bool(clip.best_accuracy > max(1.5 * chance, chance + 3 * deviation))


def _strays(votes: Sequence[Votes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of images that all voters take for the same other class with a high margin, surest first."""
    best, margin = votes[0].best, votes[0].margin
    for other in votes[1:]:
        margin = np.where(other.best == best, np.minimum(margin, other.margin), 0.0)
    rows = np.flatnonzero(margin > STRAY_MARGIN)
    rows = rows[np.argsort(-margin[rows], kind="stable")]
    return rows, best[rows]
