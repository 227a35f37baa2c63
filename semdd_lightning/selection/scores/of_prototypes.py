"""Scores against prototypes: whether an image shows its class, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from semdd_lightning.selection.checks import check_choice
from semdd_lightning.selection.pieces import similarity_blocks
from semdd_lightning.selection.scores.score import ClassImages, Need, Score

SeparabilityMode = Literal["margin", "mean", "posterior"]


@dataclass(frozen=True)
class ClassRelevance(Score):
    """The cosine r_i = <z_i, p_y> of an image to the prototype of its class.

    The criterion is that of "SAS: Semantic-aware Sampling for Generative Dataset Distillation" (arXiv
    2605.18012); the formula is this project's.
    """

    name: ClassVar[str] = "class_relevance"
    meaning: ClassVar[str] = "the image shows its class"
    value_range: ClassVar[str] = "[-1, 1]"

    def __call__(self, images: ClassImages) -> Tensor:
        """Cosines to the own prototype ``(n_c,)``."""
        return images.own


@dataclass(frozen=True)
class ClassSeparability(Score):
    """The lead of the own prototype over those of the other classes.

    The criterion is that of "SAS: Semantic-aware Sampling for Generative Dataset Distillation" (arXiv
    2605.18012); the formulas are this project's.

    Args:
        mode: ``margin``: r_i - max over c != y of <z_i, p_c>; ``mean``: r_i - mean over c != y;
            ``posterior``: log softmax over classes of (logit scale * <z_i, p_c>) at y.

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
        """Leads of the own class ``(n_c,)``, of several classes."""
        if self.mode == "margin":
            return images.own - images.rival
        if self.mode == "mean":
            total = images.image_embeddings @ images.prototypes.sum(dim=0)
            return images.own - (total - images.own) / (len(images.prototypes) - 1)
        return log_posterior(
            images.image_embeddings, images.prototypes, images.class_index, images.logit_scale
        )


@dataclass(frozen=True)
class Posterior(Score):
    """The probability that zero-shot CLIP gives an image's own class.

    Always by the texts, whatever prototypes a sampler takes: the logit scale is learnt for them.
    """

    name: ClassVar[str] = "posterior"
    meaning: ClassVar[str] = "CLIP, asked by name, is sure of the class"
    value_range: ClassVar[str] = "[0, 1]"
    needs: ClassVar[frozenset[Need]] = frozenset({"several_classes"})
    is_probability: ClassVar[bool] = True

    def __call__(self, images: ClassImages) -> Tensor:
        """Probabilities of the own class ``(n_c,)``."""
        return log_posterior(
            images.image_embeddings, images.text_prototypes, images.class_index, images.logit_scale
        ).exp()


def log_posterior(
    image_embeddings: Tensor, prototypes: Tensor, class_index: int, logit_scale: float
) -> Tensor:
    """Log softmax over classes of (logit_scale * <z_i, p_c>) at one class, float64 ``(n,)``.

    Args:
        image_embeddings: Unit vectors z of images of the class ``(n, d)``.
        prototypes: Unit vectors p ``(C, d)``.
        class_index: The class.
        logit_scale: Factor from cosines to logits, > 0.

    >>> log_posterior(torch.eye(2)[:1], torch.eye(2), 0, 1.0).exp().round(decimals=4).tolist()
    [0.7311]
    """
    blocks = [cosines for _, cosines in similarity_blocks(image_embeddings, prototypes)]
    return torch.cat([torch.log_softmax(logit_scale * block, dim=1)[:, class_index] for block in blocks])
