from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from semdd_lightning.pools.perceptual_hashes import CLOSE, MIRRORED, close_pairs, perceptual_hash

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


SEEDS = st.integers(0, 2**32 - 1)
FLIPS = st.sampled_from([0, 1, 0xFF, 0xAAAA_5555_0F0F_3333, 2**64 - 1])


def clustered(generator: np.random.Generator, count: int) -> NDArray[np.uint64]:
    """Hashes some of which are few bits from one another, as real ones."""
    centres = generator.integers(0, 2**64, max(1, count // 6), dtype=np.uint64)
    hashes = generator.choice(centres, count)
    for _ in range(6):
        wrong = np.uint64(1) << generator.integers(0, 64, count, dtype=np.uint64)
        hashes = np.where(generator.random(count) < 0.6, hashes ^ wrong, hashes)
    return hashes


def close(first: NDArray[np.uint64], second: NDArray[np.uint64], flipped: int) -> list[tuple[int, int]]:
    """Each against each."""
    return [
        (i, j)
        for i, one in enumerate(first.tolist())
        for j, other in enumerate(second.tolist())
        if (one ^ other ^ flipped).bit_count() <= CLOSE
    ]


def pairs(rows: tuple[NDArray[np.int64], NDArray[np.int64]]) -> list[tuple[int, int]]:
    return list(zip(*(side.tolist() for side in rows), strict=True))


@settings(max_examples=30)
@given(SEEDS, st.integers(0, 40), st.integers(0, 40), FLIPS)
def test_between_two_sets_it_finds_what_comparing_each_with_each_finds(
    seed: int, count: int, other_count: int, flipped: int
) -> None:
    hashes = clustered(np.random.default_rng(seed), count + other_count)
    first, second = hashes[:count], hashes[count:] ^ np.uint64(flipped)
    found = pairs(close_pairs(first, second, flipped=flipped, partners=100))
    assert found == close(first, second, flipped)


@settings(max_examples=30)
@given(SEEDS, st.integers(0, 60), FLIPS)
def test_within_one_set_it_finds_each_pair_once(seed: int, count: int, flipped: int) -> None:
    generator = np.random.default_rng(seed)
    hashes = clustered(generator, count)
    hashes = np.where(generator.random(count) < 0.5, hashes ^ np.uint64(flipped), hashes)
    found = pairs(close_pairs(hashes, flipped=flipped, partners=100))
    assert found == [(i, j) for i, j in close(hashes, hashes, flipped) if i < j]


def test_the_clusters_of_these_tests_hold_close_and_distant_pairs() -> None:
    hashes = clustered(np.random.default_rng(0), 200)
    assert 200 < len(close_pairs(hashes, partners=200)[0]) < 10_000


@settings(max_examples=30)
@given(SEEDS, st.integers(1, 4))
def test_every_hash_keeps_as_many_partners_as_promised(seed: int, partners: int) -> None:
    generator = np.random.default_rng(seed)
    hashes = generator.choice(clustered(generator, 6), 50)  # many are equal
    first, second = hashes[:30], hashes[30:]
    every = close(first, second, 0)
    some = pairs(close_pairs(first, second, partners=partners))
    assert set(some) <= set(every)
    for side, count in enumerate((30, 20)):
        before = np.bincount([pair[side] for pair in every], minlength=count)
        after = np.bincount([pair[side] for pair in some], minlength=count)
        assert (after >= np.minimum(before, partners)).all()
    later = [j for i, j in close(hashes, hashes, 0) if i < j]
    kept = np.bincount(close_pairs(hashes, partners=partners)[1], minlength=50)
    assert kept.tolist() == np.minimum(np.bincount(later, minlength=50), partners).tolist()


@pytest.mark.parametrize("flipped", [0, 2**64 - 1])
def test_a_collapsed_pool_gives_few_pairs_an_image(flipped: int) -> None:
    hashes = np.full(20_000, 0x1234_5678_9ABC_DEF0, dtype=np.uint64)
    hashes[1::2] ^= np.uint64(flipped)
    first, second = close_pairs(hashes, flipped=flipped, partners=8)
    assert 20_000 * 8 - 8 * 9 <= len(first) <= 20_000 * 8
    assert (first < second).all()
    assert len(close_pairs(hashes, hashes, flipped=flipped, partners=8)[0]) <= 20_000 * 16


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = clustered(np.random.default_rng(1), 300)
    whole = pairs(close_pairs(hashes))
    monkeypatch.setattr("semdd_lightning.pools.perceptual_hashes._BLOCK", 7)
    assert pairs(close_pairs(hashes, partners=300)) == pairs(close_pairs(hashes, partners=299))
    assert set(whole) <= set(pairs(close_pairs(hashes, partners=300)))
