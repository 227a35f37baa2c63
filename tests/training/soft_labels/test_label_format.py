from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semdd_lightning.errors import LabelError
from semdd_lightning.training.losses import SoftLabelLoss
from semdd_lightning.training.soft_labels.label_format import LabelFormat, Precision, even_rest

GIB = 2**30
FORMATS = [
    LabelFormat(12, precision, top_k, 4.0)  # type: ignore[arg-type]
    for precision, top_k in itertools.product(["fp32", "fp16", "int8"], [None, 3])
]


def _logits(rows: int = 50, classes: int = 12, seed: int = 0) -> Tensor:
    return 8 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("ipc", "published"), [(10, 5.67), (50, 28.3), (200, 113.0)])
def test_imagenet_costs_what_was_published(ipc: int, published: float) -> None:
    """LPLD's README: GiB for 300 passes in fp16, with what SRe2L keeps beside the logits of an image.

    That is four fp32 numbers of the crop box, one byte of the flip and an int64 of the mixing partner.
    """
    ours = LabelFormat(1000).bytes_per_label * 1000 * ipc * 300 / GIB
    assert ours == pytest.approx(published, rel=0.02)
    theirs = (LabelFormat(1000).bytes_per_label + 4 * 4 + 1 + 8) * 1000 * ipc * 300 / GIB
    assert theirs == pytest.approx(published, rel=0.003)


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_what_is_stored_is_what_was_announced(form: LabelFormat) -> None:
    logits = _logits()
    parts = form.encode(logits)
    found = {name: (part.dtype, tuple(part.shape[1:])) for name, part in parts.items()}
    assert found == form.parts
    assert all(len(part) == len(logits) for part in parts.values())
    assert sum(part.nbytes for part in parts.values()) == form.bytes_per_label * len(logits)
    decoded = form.decode(parts)
    assert decoded.shape == logits.shape
    assert decoded.dtype == torch.float32


def test_fp32_is_exact_and_fp16_is_rounded() -> None:
    logits = _logits()
    assert torch.equal(LabelFormat(12, "fp32").decode(LabelFormat(12, "fp32").encode(logits)), logits)
    assert torch.equal(LabelFormat(12).decode(LabelFormat(12).encode(logits)), logits.half().float())


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_int8_is_within_a_step_of_its_row(seed: int, spread: float, shift: float) -> None:
    logits = spread * _logits(8, seed=seed) / 8 + shift
    form = LabelFormat(12, "int8")
    error = (form.decode(form.encode(logits)) - logits).abs().amax(dim=1)
    step = (logits.amax(dim=1) - logits.amin(dim=1)) / 255
    rounding = 2**-10 * logits.abs().amax(dim=1)  # of the offset in fp16
    finest = 255 * 2**-25  # a scale below fp16's normal range is rounded to multiples of 2**-24
    assert bool((error <= 0.7 * step + rounding + finest + 1e-6).all())


def test_int8_of_equal_logits() -> None:
    logits = torch.tensor([[1.5, 1.5, 1.5], [0.0, 0.0, 0.0]])
    form = LabelFormat(3, "int8")
    assert torch.equal(form.decode(form.encode(logits)), logits)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_top_k_keeps_probabilities_and_spreads_the_rest_evenly(temperature: float) -> None:
    logits = _logits()
    form = LabelFormat(12, "fp32", 3, temperature)
    decoded = form.decode(form.encode(logits))
    for exact, stored in zip(logits.double().numpy(), decoded.double().numpy(), strict=True):
        expected, found = (np.exp(z / temperature) / np.exp(z / temperature).sum() for z in (exact, stored))
        kept = np.argsort(exact)[-3:]
        others = np.setdiff1d(np.arange(12), kept)
        np.testing.assert_allclose(stored[kept], exact[kept])
        np.testing.assert_allclose(found[kept], expected[kept], rtol=1e-4)
        np.testing.assert_allclose(found[others], expected[others].sum() / 9, rtol=1e-4)


def test_the_rest_of_one_class_is_that_class() -> None:
    logits = _logits(classes=4)
    kept = logits.topk(3, dim=1).indices
    torch.testing.assert_close(even_rest(logits, kept, 7.0), logits.amin(dim=1))


@pytest.mark.parametrize(("num_classes", "dtype"), [(256, torch.uint8), (257, torch.int16)])
def test_classes_are_counted_in_few_bytes(num_classes: int, dtype: torch.dtype) -> None:
    logits = torch.arange(num_classes, dtype=torch.float32)[None]
    form = LabelFormat(num_classes, "fp16", 2)
    assert form.parts["classes"] == (dtype, (2,))
    assert form.encode(logits)["classes"].tolist() == [[num_classes - 1, num_classes - 2]]
    assert form.decode(form.encode(logits)).argmax().item() == num_classes - 1
    assert LabelFormat(40_000, top_k=2).parts["classes"][0] == torch.int32


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, 1e5),
        ({}, float("nan")),
        ({"precision": "fp32"}, float("inf")),
        ({"precision": "int8"}, 1e8),
        ({"precision": "int8"}, float("nan")),
        ({"top_k": 1}, 1e5),
    ],
)
def test_logits_that_cannot_be_stored(options: dict[str, Any], value: float) -> None:
    logits = torch.zeros(2, 3)
    logits[1, 2] = value
    with pytest.raises(LabelError, match=r"Expected logits that are finite and fit into .*, found some from"):
        LabelFormat(3, **options).encode(logits)


@pytest.mark.parametrize("top_k", [0, 12, 13])
def test_top_k_of_too_few_or_too_many(top_k: int) -> None:
    with pytest.raises(LabelError, match=f"Expected top_k between 1 and 11 for 12 classes, found {top_k}"):
        LabelFormat(12, top_k=top_k)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("loss", ["kl", "soft_cross_entropy", "mse"])
def test_all_logits_fit_every_loss_at_any_temperature(precision: Precision, loss: SoftLabelLoss) -> None:
    form = LabelFormat(12, precision, temperature=20.0)
    form.require_fit(loss, 4.0)
    assert form.identity == LabelFormat(12, precision, temperature=4.0).identity


def test_the_largest_logits_fit_the_loss_that_they_were_made_for() -> None:
    form = LabelFormat(12, "int8", 3, 20.0)
    assert form.identity != LabelFormat(12, "int8", 3, 4.0).identity
    losses: tuple[SoftLabelLoss, ...] = ("kl", "soft_cross_entropy")
    for loss in losses:
        form.require_fit(loss, 20.0)
        with pytest.raises(
            LabelError, match=r"temperature 4, found the 3 .* at 20; give --model.temperature 20"
        ):
            form.require_fit(loss, 4.0)
    with pytest.raises(
        LabelError, match="Expected labels with all logits for the loss mse, found the 3 larg"
    ):
        form.require_fit("mse", 20.0)
