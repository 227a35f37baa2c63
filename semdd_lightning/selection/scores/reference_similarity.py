"""Reference similarity: how near an image is to real images of its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from semdd_lightning.selection.scores.score import ClassImages, Need, Score, needed


@dataclass(frozen=True)
class ReferenceSimilarity(Score):
    """The mean cosine of an image to the real images of its class."""

    name: ClassVar[str] = "reference_similarity"
    meaning: ClassVar[str] = "real images of the class look like it"
    value_range: ClassVar[str] = "[-1, 1]"
    needs: ClassVar[frozenset[Need]] = frozenset({"reference"})
    is_similarity: ClassVar[bool] = True

    def __call__(self, images: ClassImages) -> Tensor:
        """Mean cosines to the reference images ``(n_c,)``.

        Args:
            images: The images of one class, with reference images.
        """
        return images.image_embeddings @ needed(images.reference, "reference", self.name).mean(dim=0)
