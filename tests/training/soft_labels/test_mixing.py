from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from semdd_lightning.training.soft_labels.mixing import mean_logits, mixed_logits


def _softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    weights = np.exp(logits / temperature - (logits / temperature).max())
    return np.asarray(weights / weights.sum())


@pytest.mark.parametrize("temperature", [1.0, 20.0])
def test_the_label_of_a_mix_is_the_mix_of_the_labels(temperature: float) -> None:
    own, other = 6 * torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0))
    ratio = torch.linspace(0, 1, 9)
    mixed = mixed_logits(own, other, ratio, temperature).numpy()
    for found, a, b, share in zip(mixed, own.numpy(), other.numpy(), ratio.tolist(), strict=True):
        expected = share * _softmax(a, temperature) + (1 - share) * _softmax(b, temperature)
        np.testing.assert_allclose(_softmax(found, temperature), expected, atol=1e-6)


def test_what_is_mixed_with_nothing_or_itself_keeps_its_logits() -> None:
    own, other = 6 * torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixed_logits(own, other, torch.tensor(1.0), 20.0), own, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mixed_logits(own, other, torch.tensor(0.0), 20.0), other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mixed_logits(own, own, torch.tensor(0.3), 20.0), own, atol=1e-4, rtol=1e-4)


def test_the_mean_of_logits_is_nearest_to_both() -> None:
    """A squared distance to it differs from the weighted squared distances by a constant."""
    own, other, student = torch.randn(3, 9, 5, generator=torch.Generator().manual_seed(0))
    ratio = torch.linspace(0, 1, 9)
    student.requires_grad_()

    def gradient(loss: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(loss, student)
        return torch.as_tensor(found)

    weights = ratio[:, None]
    both = (weights * (student - own) ** 2 + (1 - weights) * (student - other) ** 2).sum()
    nearest = ((student - mean_logits(own, other, ratio)) ** 2).sum()
    torch.testing.assert_close(gradient(nearest), gradient(both))
    assert torch.equal(mean_logits(own, other, torch.tensor(1.0)), own)


def test_at_a_high_temperature_logits_mix_linearly() -> None:
    own, other = torch.randn(2, 9, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mixed = mixed_logits(own, other, torch.tensor(0.3, dtype=torch.float64), 1e4)
    torch.testing.assert_close(mixed, 0.3 * own + 0.7 * other, atol=1e-3, rtol=0)
