from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.transforms import functional

from semdd_lightning.datasets import DATASETS
from semdd_lightning.errors import PoolError
from semdd_lightning.pools import normalizations
from semdd_lightning.pools.normalizations import (
    _OF_DATA_SET,
    BYTES,
    NORMALIZATIONS,
    UNIT,
    Denormalization,
    settle_normalization,
    value_statistics,
)

IMAGES = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(0, 256, (2, 3, 5, 4), dtype=np.uint8)
)


def _pictures(num_images: int = 20, seed: int = 0) -> NDArray[np.float64]:
    """Images (N, 3, 6, 6) from 0 to 1 of very different brightness, each grey level a multiple of 1 / 255."""
    generator = np.random.default_rng(seed)
    brightness = generator.integers(0, 200, (num_images, 1, 1, 1))
    return (brightness + generator.integers(0, 56, (num_images, 3, 6, 6))) / 255


def _normalised(pixels: NDArray[np.float64], name: str) -> NDArray[np.float32]:
    mean, std = (np.reshape(n, (-1, 1, 1)) for n in (NORMALIZATIONS[name].mean, NORMALIZATIONS[name].std))
    values: NDArray[np.float32] = ((pixels - mean) / std).astype(np.float32)
    return values


@pytest.mark.parametrize("name", NORMALIZATIONS)
@given(images=IMAGES)
def test_undoing_what_torchvision_did_gives_the_same_bytes(name: str, images: NDArray[np.uint8]) -> None:
    normalization = NORMALIZATIONS[name]
    channels = len(normalization.mean) if name not in ("none", "symmetric") else 3
    pixels = torch.from_numpy(images[:, :channels].copy())
    mean, std = (list(np.broadcast_to(n, channels)) for n in (normalization.mean, normalization.std))
    values = functional.normalize(pixels.float() / 255, mean, std).numpy()
    assert np.array_equal(normalization.to_pixels(values), pixels.numpy())
    assert normalization.count_outside(values) == 0


@given(images=IMAGES)
def test_bytes_stay_as_they_are(images: NDArray[np.uint8]) -> None:
    assert np.array_equal(BYTES.to_pixels(images), images)


def test_values_are_clipped_and_counted_channel_by_channel() -> None:
    normalization = Denormalization((0.0, 0.5), (1.0, 0.1))
    values = np.array([[[[2.0]], [[2.0]]], [[[-0.1]], [[-9.0]]]])  # (2, 2, 1, 1)
    assert normalization.to_pixels(values).ravel().tolist() == [255, 178, 0, 0]
    assert value_statistics(values, normalization).outside == 0.75


def test_statistics_of_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).standard_normal((11, 3, 4, 4)).astype(np.float32)
    images[4, 1, 2, 2] = np.nan
    images[7, 0, 0, 0] = np.inf
    monkeypatch.setattr(normalizations, "_BLOCK", 3 * 48)
    found = value_statistics(images)
    usable = np.delete(images, [4, 7], axis=0).astype(np.float64)
    assert (found.low, found.high, found.num_images) == (usable.min(), usable.max(), 9)
    outside = (usable < -0.5 / 255) | (usable > 1 + 0.5 / 255)
    assert found.outside == pytest.approx(outside.mean())
    assert found.spread == pytest.approx(usable.mean(axis=(1, 2, 3)).std())
    assert value_statistics(images, BYTES).outside == pytest.approx((usable / 255 < -0.5 / 255).mean())


def test_images_of_nan_alone_have_statistics() -> None:
    found = value_statistics(np.full((2, 3, 4, 4), np.nan))
    assert (found.low, found.high, found.num_images) == (0.0, 0.0, 0)
    assert found.outside == 0


# ------------------------------------------------------------------ what auto takes


def _inverse_whitened(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    pixels = pixels.copy()
    pixels[0, 0, 0, 0], pixels[1, 0, 0, 0] = -0.3, 1.4
    return pixels


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ((_pictures() * 255).astype(np.uint8), BYTES),
        ((_pictures() * 255).astype(np.int64), BYTES),
        ((_pictures() * 255).astype(np.float32), BYTES),
        (_pictures(), UNIT),
        (_pictures().astype(np.float16), UNIT),
        (_inverse_whitened(_pictures()), UNIT),
        (np.full((2, 3, 4, 4), np.nan), UNIT),
    ],
)
def test_auto_knows_pixels_and_bytes(images: NDArray[Any], expected: Denormalization) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert settle_normalization(images, "auto", None, "f.pt") == expected


@pytest.mark.parametrize(("data_set", "name"), _OF_DATA_SET.items())
def test_auto_takes_normalised_values_by_the_data_set(data_set: str, name: str) -> None:
    assert data_set in DATASETS
    images = _normalised(_pictures(), name)
    assert settle_normalization(images, "auto", data_set, "f.pt") == NORMALIZATIONS[name]


@pytest.mark.parametrize("data_set", [None, "cifar100", "digits", "my/classes.txt"])
def test_auto_refuses_to_guess(data_set: str | None) -> None:
    images = _normalised(_pictures(), "cifar10")
    with pytest.raises(
        PoolError, match=r"from 0 to 1 or 0 to 255 in f\.pt, found -2\.\d+ to .*cifar100.*mean"
    ):
        settle_normalization(images, "auto", data_set, "f.pt")
    with pytest.raises(PoolError, match=r"found -0\.976 to 0\.953"):
        settle_normalization(_normalised(_pictures(), "symmetric"), "auto", data_set, "f.pt")


def test_what_was_taken_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        settle_normalization(_normalised(_pictures(), "cifar10"), "auto", "cifar10", "f.pt")
    assert "0.0% of them no pixels under cifar10 (mean (0.4914, 0.4822, 0.4465)" in caplog.text


# ------------------------------------------------------------------ what cannot be


def test_whole_numbers_beyond_bytes_and_normalised_bytes() -> None:
    with pytest.raises(PoolError, match=r"whole numbers from 0 to 255 .*found 0 to 65535"):
        settle_normalization(np.array([[[[0, 65535]]]], dtype=np.int32), "auto", None, "f.npz")
    with pytest.raises(PoolError, match="normalization cifar10"):
        settle_normalization(np.zeros((1, 3, 2, 2), dtype=np.uint8), "cifar10", None, "f.npz")


def test_channels_that_do_not_fit() -> None:
    with pytest.raises(PoolError, match=r"each of the 1 channels of f\.pt, found 3 \(cifar10\)"):
        settle_normalization(_pictures()[:, :1], "cifar10", None, "f.pt")
    grey = Denormalization((0.1307,), (0.3081,))
    assert settle_normalization(_pictures()[:, :1], grey, None, "f.pt") == grey


def test_values_far_out_are_refused_and_clipped_ones_warned_of() -> None:
    generator = np.random.default_rng(0)
    brightness = generator.standard_normal((20, 1, 1, 1))
    far = 20 * generator.standard_normal((20, 3, 6, 6)) + brightness
    with pytest.raises(PoolError, match=r"90\.6% of them no pixels under cifar10: another .* ZCA-whitened"):
        settle_normalization(far, "cifar10", None, "f.pt")
    with pytest.warns(UserWarning, match=r"\d\d\.\d% of them no pixels under cifar10: they are clipped"):
        settle_normalization(far / 10, "cifar10", None, "f.pt")


def test_images_of_one_brightness_look_whitened() -> None:
    """As CIFAR-10 does after ZCA with eps 0.1: deviation 0.26 of values, 0.02 of image means."""
    whitened = 0.26 * np.random.default_rng(0).standard_normal((20, 3, 16, 16))
    whitened -= whitened.mean(axis=(1, 2, 3), keepdims=True)
    with pytest.raises(PoolError, match=r"standard deviation of 0\.000 .*ZCA-whitened.*images_zca_"):
        settle_normalization(whitened, "auto", "cifar10", "f.pt")
    with pytest.warns(UserWarning, match="ZCA-whitened images and noise"):
        assert settle_normalization(whitened, "cifar10", None, "f.pt") == NORMALIZATIONS["cifar10"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # too few to say
        settle_normalization(whitened[:9], "cifar10", None, "f.pt")
        settle_normalization(np.full((20, 3, 4, 4), 0.5), "auto", None, "f.pt")
