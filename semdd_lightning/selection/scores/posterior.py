"""Posterior: the probability that zero-shot CLIP gives an image's own class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.blocks import similarity_blocks
from semdd_lightning.selection.scores.score import ClassImages, Need, Score


@dataclass(frozen=True)
class Posterior(Score):
    """The softmax of an image's logits over the text prototypes, at its own class.

    Always of the texts, whatever prototypes a sampler takes: the logit scale is learnt for them.
    """

    name: ClassVar[str] = "posterior"
    meaning: ClassVar[str] = "CLIP, asked by name, is sure of the class"
    value_range: ClassVar[str] = "[0, 1]"
    needs: ClassVar[frozenset[Need]] = frozenset({"several_classes"})
    is_probability: ClassVar[bool] = True

    def __call__(self, images: ClassImages) -> Tensor:
        """Probabilities of the own class ``(n_c,)``.

        Args:
            images: The images of one class.
        """
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
    return torch.cat(
        [
            torch.log_softmax(logit_scale * cosines, dim=1)[:, class_index]
            for _, cosines in similarity_blocks(image_embeddings, prototypes)
        ]
    )
