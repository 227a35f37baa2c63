"""Class separability: how clearly an image is of no other class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from semdd_lightning.selection.blocks import DEFAULT_CHUNK
from semdd_lightning.selection.checks import check_choice, require_several_classes
from semdd_lightning.selection.embeddings import as_float64, rows_by_class
from semdd_lightning.selection.prototypes import ClassSimilarities, warn_equal_prototypes
from semdd_lightning.selection.scores.posterior import log_posterior
from semdd_lightning.selection.scores.score import ClassImages, Need, Score

SeparabilityMode = Literal["margin", "mean", "posterior"]


@dataclass(frozen=True)
class ClassSeparability(Score):
    """The lead of the own prototype over those of the other classes.

    The criterion is that of "SAS: Semantic-aware Sampling for Generative Dataset Distillation" (arXiv
    2605.18012); the formulas are this project's.

    Args:
        mode: ``margin``: lead over the next class; ``mean``: over the mean of all others; ``posterior``: the
            log softmax over classes of (logit scale * cosine) at the own class.

    Raises:
        SelectionError: If the mode is unknown.
    """

    name: ClassVar[str] = "class_separability"
    meaning: ClassVar[str] = "the image is clearly of no other class"
    value_range: ClassVar[str] = "[-2, 2]; by posterior at most 0"
    needs: ClassVar[frozenset[Need]] = frozenset({"several_classes"})

    mode: SeparabilityMode = "margin"

    def __post_init__(self) -> None:
        check_choice("separability mode", self.mode, get_args(SeparabilityMode))

    def __call__(self, images: ClassImages) -> Tensor:
        """Leads of the own class ``(n_c,)``.

        Args:
            images: The images of one class, of several.
        """
        if self.mode == "margin":
            return images.own - images.rival
        if self.mode == "mean":
            total = images.image_embeddings @ images.prototypes.sum(dim=0)
            return images.own - (total - images.own) / (len(images.prototypes) - 1)
        return log_posterior(
            images.image_embeddings, images.prototypes, images.class_index, images.logit_scale
        )


def class_separability(
    image_embeddings: Tensor,
    labels: Tensor,
    prototypes: Tensor,
    mode: SeparabilityMode = "margin",
    logit_scale: float = 100.0,
    chunk: int = DEFAULT_CHUNK,
) -> Tensor:
    """Class separability of a whole pool, float64 ``(N,)``.

    Args:
        image_embeddings: Unit vectors z ``(N, d)``.
        labels: Class index y of each image ``(N,)``.
        prototypes: Unit vectors p ``(C, d)``, C >= 2.
        mode: ``margin``: r_i - max over c != y_i of <z_i, p_c>; ``mean``: r_i - mean over c != y_i;
            ``posterior``: log softmax over classes of (logit_scale * <z_i, p_c>) at y_i.
        logit_scale: Factor from cosines to logits; used by ``posterior`` only.
        chunk: Rows computed at a time; changes nothing but memory.

    Raises:
        SelectionError: If there is one class only, or the mode is unknown.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    >>> class_separability(z, torch.tensor([0, 1]), torch.eye(2)).round(decimals=6).tolist()
    [1.0, 0.2]
    """
    require_several_classes(len(prototypes))
    warn_equal_prototypes(prototypes, chunk)
    score, similarities = ClassSeparability(mode), ClassSimilarities(prototypes, chunk)
    separability = torch.empty(len(labels), dtype=torch.float64)
    for class_index, rows in enumerate(rows_by_class(labels, len(prototypes))):
        vectors = as_float64(image_embeddings[rows.to(image_embeddings.device)])
        if len(rows):
            own, rival, _ = similarities(vectors, class_index)
            separability[rows] = score(
                ClassImages(
                    class_index=class_index,
                    image_embeddings=vectors,
                    own=own,
                    rival=rival,
                    prototypes=similarities.prototypes,
                    text_prototypes=similarities.prototypes,
                    logit_scale=logit_scale,
                )
            )
    return separability
