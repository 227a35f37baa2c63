from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.training import (
    distillation_loss,
    mixed_label_loss,
    soft_cross_entropy,
    soft_label_loss,
)
from semdd_lightning.training.losses import SoftLabelLoss, mean_logits, mixed_logits

Array = NDArray[np.float64]
shapes = st.tuples(st.integers(1, 6), st.integers(1, 5))


def _logits(shape: tuple[int, int], seed: int) -> Tensor:
    return 5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _softmax(logits: Array, temperature: float = 1.0) -> Array:
    odds = np.exp(logits / temperature)
    return np.array(odds / odds.sum(axis=-1, keepdims=True))


@given(shapes, st.integers(0, 100), st.floats(0.5, 30))
def test_soft_labels_are_the_teachers_softened_distribution(
    shape: tuple[int, int], seed: int, temperature: float
) -> None:
    student, teacher = _logits(shape, seed), _logits(shape, seed + 1)
    p, q = (_softmax(logits.numpy() / temperature) for logits in (teacher, student))
    expected = sum(p[i, c] * np.log(p[i, c] / q[i, c]) for i, c in np.ndindex(shape)) / shape[0]
    assert soft_label_loss(student, teacher, temperature).item() == pytest.approx(expected, abs=1e-12)


def test_soft_label_loss_has_no_temperature_factor_in_its_gradient() -> None:
    student, teacher, temperature = _logits((4, 3), 0).requires_grad_(), _logits((4, 3), 1), 20.0
    soft_label_loss(student, teacher, temperature).backward()  # type: ignore[no-untyped-call]
    p, q = (_softmax(logits.detach().numpy() / temperature) for logits in (teacher, student))
    assert student.grad is not None
    np.testing.assert_allclose(student.grad.numpy(), (q - p) / temperature / 4, atol=1e-12)


def test_extreme_logits_stay_finite() -> None:
    student, teacher = torch.tensor([[1e4, -1e4]]), torch.tensor([[-1e4, 1e4]])
    assert torch.isfinite(soft_label_loss(student, teacher, 1.0))


@given(shapes, st.integers(0, 100), st.floats(0, 1))
def test_mixed_labels_share_the_cross_entropy(shape: tuple[int, int], seed: int, ratio: float) -> None:
    logits, rng = _logits(shape, seed), np.random.default_rng(seed)
    labels, partners = rng.integers(0, shape[1], (2, shape[0]))
    log_p = np.log(_softmax(logits.numpy()))
    expected = -np.mean(
        [
            ratio * log_p[i, label] + (1 - ratio) * log_p[i, partner]
            for i, (label, partner) in enumerate(zip(labels, partners, strict=True))
        ]
    )
    found = mixed_label_loss(
        logits,
        torch.from_numpy(labels),
        torch.from_numpy(partners),
        torch.tensor(ratio, dtype=torch.float64),
    )
    assert found.item() == pytest.approx(expected, abs=1e-12)


@given(shapes, st.integers(0, 100), st.floats(0.5, 30))
def test_soft_cross_entropy_by_hand(shape: tuple[int, int], seed: int, temperature: float) -> None:
    student, teacher = _logits(shape, seed), _logits(shape, seed + 1)
    p, q = (_softmax(logits.numpy() / temperature) for logits in (teacher, student))
    expected = -sum(p[i, c] * np.log(q[i, c]) for i, c in np.ndindex(shape)) / shape[0]
    assert soft_cross_entropy(student, teacher, temperature).item() == pytest.approx(expected, abs=1e-12)


def test_each_image_may_have_its_own_ratio() -> None:
    logits, labels, partners = _logits((4, 3), 0), torch.tensor([0, 1, 2, 0]), torch.tensor([1, 1, 0, 2])
    ratios = torch.tensor([0.1, 1.0, 0.5, 0.0], dtype=torch.float64)
    q = _softmax(logits.numpy())
    expected = np.mean(
        [
            -r * np.log(q[i, own]) - (1 - r) * np.log(q[i, other])
            for i, (r, own, other) in enumerate(zip(ratios.tolist(), labels, partners, strict=True))
        ]
    )
    assert mixed_label_loss(logits, labels, partners, ratios).item() == pytest.approx(expected)


def test_edcs_loss_is_mse_and_a_fortieth_of_cross_entropy_with_the_own_label() -> None:
    student, teacher, labels = _logits((5, 4), 0), _logits((5, 4), 1), torch.tensor([3, 0, 1, 1, 2])
    squares, entropies = [], []
    for i in range(5):
        squares += [(student[i, c].item() - teacher[i, c].item()) ** 2 for c in range(4)]
        entropies.append(-np.log(_softmax(student.numpy())[i, labels[i]]))
    found = distillation_loss(student, teacher, labels, "mse", label_weight=0.025)
    assert found.item() == pytest.approx(np.mean(squares) + 0.025 * np.mean(entropies))


@pytest.mark.parametrize(
    ("loss", "plain"), [("kl", soft_label_loss), ("soft_cross_entropy", soft_cross_entropy)]
)
def test_the_squared_temperature_is_a_factor(loss: SoftLabelLoss, plain: Callable[..., Tensor]) -> None:
    student, teacher, labels = _logits((5, 4), 0), _logits((5, 4), 1), torch.zeros(5, dtype=torch.int64)
    expected = plain(student, teacher, 20.0).item()
    assert distillation_loss(student, teacher, labels, loss).item() == pytest.approx(expected)
    squared = distillation_loss(student, teacher, labels, loss, temperature_squared=True)
    assert squared.item() == pytest.approx(400 * expected)


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
