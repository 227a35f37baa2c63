"""Losses of distillation and of mixed hard labels."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

SoftLabelLoss = Literal["kl", "soft_cross_entropy", "mse"]


def soft_label_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """KL divergence from the student's to the teacher's softened distribution, mean over the batch.

    There is no factor ``temperature ** 2``: the reference implementations of SRe2L and RDED leave it out.

    Args:
        student_logits: (B, C).
        teacher_logits: (B, C).
        temperature: softens both, > 0.

    Examples:
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


def soft_cross_entropy(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Cross entropy with the teacher's softened distribution: `soft_label_loss` plus the teacher's entropy.

    Args:
        student_logits: (B, C).
        teacher_logits: (B, C).
        temperature: softens both, > 0.
    """
    return F.cross_entropy(student_logits / temperature, F.softmax(teacher_logits / temperature, dim=1))


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    loss: SoftLabelLoss = "kl",
    temperature: float = 20.0,
    temperature_squared: bool = False,
    label_weight: float = 0.0,
) -> Tensor:
    """The loss of a student on soft labels, and on its images' own labels where they weigh something.

    Args:
        student_logits: (B, C).
        teacher_logits: (B, C).
        labels: class of each image before mixing, (B,).
        loss: ``kl``, ``soft_cross_entropy``, or ``mse`` between the logits themselves (EDC).
        temperature: softens both distributions; without effect on ``mse``.
        temperature_squared: multiply by ``temperature ** 2``, as Hinton et al. (2015) do; not for ``mse``.
        label_weight: weight of the cross entropy with ``labels``; EDC takes 0.025.
    """
    if loss == "mse":
        total = F.mse_loss(student_logits, teacher_logits)
    else:
        soft = soft_label_loss if loss == "kl" else soft_cross_entropy
        total = soft(student_logits, teacher_logits, temperature)
        if temperature_squared:
            total = total * temperature**2
    return total + label_weight * F.cross_entropy(student_logits, labels) if label_weight else total


def mixed_label_loss(logits: Tensor, labels: Tensor, partner_labels: Tensor, ratio: Tensor) -> Tensor:
    """Cross entropy on hard labels of mixed images, weighted by the share of each (arXiv 1905.04899).

    Args:
        logits: (B, C).
        labels: class of each image, (B,).
        partner_labels: class of what was mixed in, (B,).
        ratio: share of the image that is its own, 0-dim or (B,).
    """
    own = F.cross_entropy(logits, labels, reduction="none")
    other = F.cross_entropy(logits, partner_labels, reduction="none")
    return (ratio * own + (1 - ratio) * other).mean()
