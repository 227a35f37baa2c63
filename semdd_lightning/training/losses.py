"""What a student is compared with: losses on soft and on hard labels, and the soft labels of mixed images."""

from __future__ import annotations

from typing import Literal

import torch
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


def mean_logits(logits: Tensor, partner_logits: Tensor, ratio: Tensor) -> Tensor:
    """Logits from which the squared distance is least to both, weighted by their shares.

    Args:
        logits: of the images, (B, C).
        partner_logits: of what is mixed in, (B, C).
        ratio: share r of the image that is its own, 0-dim or (B,).

    Examples:
        >>> mean_logits(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), torch.tensor(0.75))
        tensor([[1.5000, 0.5000]])
    """
    return torch.lerp(partner_logits, logits, ratio.expand(len(logits))[:, None])


def mixed_logits(logits: Tensor, partner_logits: Tensor, ratio: Tensor, temperature: float) -> Tensor:
    """Logits whose softmax at a temperature is the mix of two softmaxes at that temperature.

    They are ``T log(r p + (1 - r) q)``, p and q the two distributions, moved by the mean of what normalised
    them: an image that is mixed with nothing or with itself keeps its logits.

    Args:
        logits: of the images, (B, C).
        partner_logits: of what is mixed in, (B, C).
        ratio: share r of the image that is its own, 0-dim or (B,).
        temperature: T, that of the loss.

    Examples:
        >>> own, other = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
        >>> mixed_logits(own, other, torch.tensor(0.5), 1.0).softmax(dim=1)
        tensor([[0.5000, 0.5000]])
    """
    share = ratio.expand(len(logits))[:, None]
    own, other = logits / temperature, partner_logits / temperature
    mass = share * own.logsumexp(dim=1, keepdim=True) + (1 - share) * other.logsumexp(dim=1, keepdim=True)
    both = torch.stack([own.log_softmax(dim=1) + share.log(), other.log_softmax(dim=1) + (1 - share).log()])
    return temperature * (both.logsumexp(dim=0) + mass)
