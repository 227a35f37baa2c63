"""The soft label of a mixed image, where labels are known of whole images only."""

from __future__ import annotations

import torch
from torch import Tensor


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
