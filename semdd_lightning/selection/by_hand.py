"""What people decided: images that are never chosen, and images that are chosen first."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError, TooFewImagesError


def _none() -> Tensor:
    return torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class ByHand:
    """Pool rows that people decided about.

    Args:
        struck: Rows that are never chosen ``(s,)``, int64.
        pinned: Rows that are chosen first, in this order ``(p,)``, int64.
    """

    struck: Tensor = field(default_factory=_none)
    pinned: Tensor = field(default_factory=_none)

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
        pins, usable = (
            torch.bincount(labels[rows].cpu(), minlength=num_classes)
            for rows in (self.pinned, self._left(len(labels)))
        )
        for c in torch.nonzero(pins > ipc)[:1, 0].tolist():
            msg = f"Expected at most {ipc} pinned images in class {c}, found {int(pins[c])}; pin fewer."
            raise SelectionError(msg)
        for c in torch.nonzero(usable < ipc)[:1, 0].tolist():
            msg = (
                f"Expected at least {ipc} images in class {c}, found {int(usable[c])} that are not struck "
                "out; lower ipc or add images."
            )
            raise TooFewImagesError(msg)

    def in_class(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Positions within a class of its images that are not struck out, and of its pinned ones in order.

        Args:
            rows: Pool rows of the class ``(n_c,)``, ascending.
        """
        free = torch.nonzero(~torch.isin(rows, self.struck))[:, 0]
        pinned = self.pinned[torch.isin(self.pinned, rows)]
        return free, torch.searchsorted(rows, pinned)

    def _left(self, num_images: int) -> Tensor:
        return torch.nonzero(~torch.isin(torch.arange(num_images), self.struck))[:, 0]
