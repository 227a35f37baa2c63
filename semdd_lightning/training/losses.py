"""Losses of distillation and of mixed hard labels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def soft_label_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """KL divergence from the student's to the teacher's softened distribution, mean over the batch.

    There is no factor ``temperature ** 2``: the peers of this field (SRe2L, RDED) leave it out.

    Args:
        student_logits: (B, C).
        teacher_logits: (B, C).
        temperature: softens both, > 0.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[1.0, 2.0, 3.0]])
        >>> soft_label_loss(logits, logits, 4.0).abs().item() < 1e-6
        True
    """
    return F.kl_div(
        F.log_softmax(student_logits / temperature, dim=1),
        F.log_softmax(teacher_logits / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def mixed_label_loss(logits: Tensor, labels: Tensor, partner_labels: Tensor, ratio: Tensor) -> Tensor:
    """Cross entropy on hard labels of mixed images, weighted by the share of each (arXiv 1905.04899).

    Args:
        logits: (B, C).
        labels: class of each image, (B,).
        partner_labels: class of what was mixed in, (B,).
        ratio: share of the image that is its own, 0-dim.
    """
    own = F.cross_entropy(logits, labels)
    return ratio * own + (1 - ratio) * F.cross_entropy(logits, partner_labels)
