"""What a sampler is given of one class, what people decided of its images, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError, TooFewImagesError
from semdd_lightning.selection.scores.score import ClassImages


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassPool(ClassImages):
    """The images of one class, in path order, with their scores; a sampler may keep it, but not change it.

    Args:
        rows: Pool rows of the images ``(n_c,)``, ascending, int64.
        predicted: Zero-shot class index, that of the nearest text prototype ``(n_c,)``, int64.
        scores: By name, scores ``(n_c,)``: relevance, separability where there are several classes, those
            that quality is made of, and what the sampler asks for.
        quality: q ``(n_c,)`` by the sampler's rule.
    """

    rows: Tensor
    predicted: Tensor
    scores: Mapping[str, Tensor]
    quality: Tensor

    def take(self, positions: Tensor) -> ClassPool:
        """Some images of the class, as if there were no others; their scores stay what they are.

        Args:
            positions: Which ``(m,)``, ascending, int64, m >= 1.
        """
        return replace(
            self,
            image_embeddings=self.image_embeddings[positions],
            own=self.own[positions],
            rival=self.rival[positions],
            classifier=None if self.classifier is None else self.classifier.rows(positions),
            learning=None if self.learning is None else self.learning[positions],
            rows=self.rows[positions],
            predicted=self.predicted[positions],
            scores={name: values[positions] for name, values in self.scores.items()},
            quality=self.quality[positions],
        )


_NONE = torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class ByHand:
    """Pool rows that people decided about.

    Args:
        struck: Rows that are never chosen ``(s,)``, int64.
        pinned: Rows that are chosen first, in this order ``(p,)``, int64.
    """

    struck: Tensor = _NONE
    pinned: Tensor = _NONE

    def check(self, labels: Tensor, num_classes: int, ipc: int) -> None:
        """Check that every class can be filled as was decided.

        Args:
            labels: Class index of each pool image ``(N,)``.
            num_classes: Number of classes C.
            ipc: Images per class.

        Raises:
            SelectionError: If a row is decided about twice or does not exist, or more than ``ipc`` images of
                a class are pinned.
            TooFewImagesError: If a class has fewer than ``ipc`` images that are not struck out.
        """
        decided = torch.cat([self.struck, self.pinned])
        outside = bool(((decided < 0) | (decided >= len(labels))).any())
        if outside or len(set(decided.tolist())) < len(decided):
            msg = (
                f"Expected different rows of a pool of {len(labels)} images to be struck out or pinned, "
                f"found {self.struck.tolist()} and {self.pinned.tolist()}; decide once about each image."
            )
            raise SelectionError(msg)
        pins = torch.bincount(labels[self.pinned].cpu(), minlength=num_classes)
        for c in torch.nonzero(pins > ipc)[:1, 0].tolist():
            msg = f"Expected at most {ipc} pinned images in class {c}, found {int(pins[c])}; pin fewer."
            raise SelectionError(msg)
        usable = labels[without(len(labels), self.struck)].cpu()
        check_counts(torch.bincount(usable, minlength=num_classes), ipc, " that are not struck out")

    def in_class(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Positions within a class of its images that are not struck out, and of its pinned ones in order.

        Args:
            rows: Pool rows of the class ``(n_c,)``, ascending.
        """
        free = torch.nonzero(~torch.isin(rows, self.struck))[:, 0]
        pinned = self.pinned[torch.isin(self.pinned, rows)]
        return free, torch.searchsorted(rows, pinned)


def without(size: int, positions: Tensor) -> Tensor:
    """All positions below a size but some, ascending.

    >>> without(4, torch.tensor([2, 0])).tolist()
    [1, 3]
    """
    return torch.nonzero(torch.ones(size, dtype=torch.bool).index_fill_(0, positions, False))[:, 0]


def check_counts(counts: Tensor, ipc: int, which: str = "") -> None:
    """Refuse a class that has too few images.

    Args:
        counts: Images of each class that may be chosen ``(C,)``.
        ipc: Images per class.
        which: What is said of them in the error.

    Raises:
        TooFewImagesError: If a class has fewer than ``ipc``.
    """
    short = torch.nonzero(counts < ipc)[:, 0]
    if len(short):
        worst = int(short[0])
        others = f" ({len(short) - 1} more classes are short)" if len(short) > 1 else ""
        msg = (
            f"Expected at least {ipc} images in class {worst}, found {int(counts[worst])}{which}{others}; "
            "lower ipc or add images."
        )
        raise TooFewImagesError(msg)


@dataclass(frozen=True, eq=False)
class Picks:
    """The decision on one class; positions count within the class.

    Args:
        order: Positions of the chosen images ``(ipc,)``, int64, in order of the picks.
        values: The value each was picked with ``(ipc,)``, float64; NaN where there is none.
        ranking: All positions from the best to the worst of stage 1 ``(n_c,)``; None without a stage 1.
        kept: How many of the ranking are candidates, in [ipc, n_c]; unused without a stage 1.
        pinned: How many people chose, the first of the order; they lead the ranking too.
    """

    order: Tensor
    values: Tensor
    ranking: Tensor | None = None
    kept: int = 0
    pinned: int = 0

    def among(self, positions: Tensor) -> Picks:
        """The same decision, where the images picked from are a part of the class.

        Args:
            positions: Position in the class of each image of the part ``(m,)``.
        """
        ranking = None if self.ranking is None else positions[self.ranking]
        return replace(self, order=positions[self.order], ranking=ranking)

    def after(self, pinned: Tensor) -> Picks:
        """The same decision, behind what people chose.

        Args:
            pinned: Positions in the class ``(p,)``, none of which is among those picked from.
        """
        return replace(
            self,
            order=torch.cat([pinned, self.order]),
            values=torch.cat([self.values.new_full((len(pinned),), torch.nan), self.values]),
            ranking=None if self.ranking is None else torch.cat([pinned, self.ranking]),
            kept=len(pinned) + self.kept,
            pinned=len(pinned),
        )


def check_picks(picks: Picks, num_images: int, ipc: int, sampler: str) -> None:
    """Check that a sampler, which may be anybody's, chose from a class what it was asked for.

    Args:
        picks: What it gave back.
        num_images: Images of the class n_c.
        ipc: Images that were to be picked.
        sampler: Its name.

    Raises:
        SelectionError: If these are not ``ipc`` different images of the class, each with a value, or stage 1
            is no ranking of the class.
    """
    if not isinstance(picks, Picks):
        problem = f"Picks, found {type(picks).__name__}"
    elif not _positions(picks.order, ipc, num_images):
        problem = f"{ipc} different positions below {num_images} as order, found {_told(picks.order)}"
    elif not (isinstance(picks.values, Tensor) and tuple(picks.values.shape) == (ipc,)):
        problem = f"{ipc} numbers as values, found {_told(picks.values)}"
    elif picks.ranking is None or (
        _positions(picks.ranking, num_images, num_images) and ipc <= picks.kept <= num_images
    ):
        return
    else:
        problem = (
            f"all {num_images} positions as ranking and kept in [{ipc}, {num_images}], found "
            f"{_told(picks.ranking)} and {picks.kept}"
        )
    msg = f"Expected the sampler {sampler} to pick {problem}; correct its pick()."
    raise SelectionError(msg)


def _positions(found: object, count: int, num_images: int) -> bool:
    """Whether these are so many different positions within a class."""
    if not isinstance(found, Tensor) or found.dtype != torch.int64 or tuple(found.shape) != (count,):
        return False
    if bool((found < 0).any() | (found >= num_images).any()):
        return False
    return int(torch.zeros(num_images, dtype=torch.bool).index_fill_(0, found, True).sum()) == count


def _told(found: object) -> str:
    if not isinstance(found, Tensor):
        return type(found).__name__
    shown = ", ".join(map(str, found.flatten()[:10].tolist()))
    return f"{found.dtype} of shape {tuple(found.shape)}: {shown}{' ...' if found.numel() > 10 else ''}"
