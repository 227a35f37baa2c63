from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from semdd_lightning.pools.perceptual_hash import MIRRORED, perceptual_hash

MakeImage = Callable[[int, int, int], Image.Image]
MIRROR = Image.Transpose.FLIP_LEFT_RIGHT


def signs(image: Image.Image) -> list[bool]:
    """The signs of the frequencies in the smallest quarter circle that holds 64 besides the mean."""
    thumbnail = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BILINEAR))
    coefficients = dctn(thumbnail.astype(np.float64))
    frequencies = sorted((v * v + h * h, v, h) for v in range(32) for h in range(32))[1:65]
    return [bool(coefficients[v, h] > 1) for _, v, h in frequencies]


def test_bits_are_the_signs_of_the_lowest_frequencies(make_image: MakeImage) -> None:
    images = [make_image(40 + seed, 90 - seed, seed) for seed in range(8)]
    for one in images:
        assert perceptual_hash(one).bit_count() == sum(signs(one))
        for other in images:
            differing = sum(a != b for a, b in zip(signs(one), signs(other), strict=True))
            assert (perceptual_hash(one) ^ perceptual_hash(other)).bit_count() == differing


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (200, 150), (8, 8)])
def test_a_mirrored_picture_has_the_mirrored_bits(size: tuple[int, int], make_image: MakeImage) -> None:
    for seed in range(5):
        image = make_image(*size, seed)
        wrong = perceptual_hash(image.transpose(MIRROR)) ^ perceptual_hash(image) ^ MIRRORED
        assert wrong.bit_count() <= 2
    assert 28 <= MIRRORED.bit_count() <= 36


def test_brightness_and_colour_of_a_picture_do_not_count(make_image: MakeImage) -> None:
    image = make_image(48, 48, 3)
    expected = perceptual_hash(image)
    pale = image.point([value // 2 + 60 for value in range(256)] * 3)
    assert (perceptual_hash(pale) ^ expected).bit_count() <= 2
    assert perceptual_hash(image.convert("L").convert("RGB")) == expected


@pytest.mark.parametrize("grey", [0, 77, 255])
def test_one_colour_has_no_bits(grey: int) -> None:
    assert perceptual_hash(Image.new("RGB", (50, 20), (grey, grey, grey))) == 0


def test_other_pictures_differ_in_about_half_of_the_bits(make_image: MakeImage) -> None:
    hashes = [perceptual_hash(make_image(64, 64, seed)) for seed in range(40)]
    distances = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert abs(np.mean(distances) - 32) < 1
    assert min(distances) > 12
