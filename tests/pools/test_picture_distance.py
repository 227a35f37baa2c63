from __future__ import annotations

from collections.abc import Callable
from math import copysign, sqrt

import numpy as np
import pytest
from PIL import Image, ImageDraw

from semdd_lightning.pools.near_duplicates import (
    MAX_DISTANCE,
    largest_distance,
    picture_distance,
    thumbnail,
)

MakeImage = Callable[[int, int, int], Image.Image]


def distance(one: Image.Image, other: Image.Image) -> float:
    return float(picture_distance(thumbnail(one)[None], thumbnail(other)[None])[0])


def slow_distance(one: Image.Image, other: Image.Image) -> float:
    """The same in plain loops."""
    a, b = thumbnail(one).tolist(), thumbnail(other).tolist()
    correlations = []
    for begin, end in ((0, 16), (2, 14)):
        steps = [
            (a[v][u][channel] - a[y][x][channel], b[v][u][channel] - b[y][x][channel])
            for y in range(begin, end)
            for x in range(begin, end)
            for channel in range(3)
            for v, u in ((y, x + 1), (y + 1, x))
            if v < end and u < end
        ]
        roots = [(copysign(sqrt(abs(p)), p), copysign(sqrt(abs(q)), q)) for p, q in steps]
        for pairs in (steps, roots):
            lengths = sqrt(sum(p * p for p, _ in pairs) * sum(q * q for _, q in pairs))
            correlations.append(sum(p * q for p, q in pairs) / lengths)
    return 1 - min(correlations)


def test_it_is_what_plain_loops_compute(make_image: MakeImage) -> None:
    images = [make_image(20 + 7 * seed, 50, seed) for seed in range(4)]
    images.append(images[0].rotate(3))
    for one in images[:3]:
        for other in images[1:]:
            assert distance(one, other) == pytest.approx(slow_distance(one, other), abs=2e-6)


def test_it_is_symmetric_and_between_0_and_2(make_image: MakeImage) -> None:
    thumbnails = np.stack([thumbnail(make_image(32, 32, seed)) for seed in range(30)])
    there, back = (
        picture_distance(thumbnails, thumbnails[::-1]),
        picture_distance(thumbnails[::-1], thumbnails),
    )
    np.testing.assert_array_equal(there, back)
    assert (there > 0.6).all()
    assert (there < 1.4).all()
    assert picture_distance(thumbnails, 255 - thumbnails) == pytest.approx(2)
    assert picture_distance(thumbnails, thumbnails).tolist() == [0.0] * 30


def test_a_picture_of_one_colour_is_like_nothing(make_image: MakeImage) -> None:
    grey = Image.new("RGB", (9, 9), (90, 90, 90))
    assert distance(grey, make_image(9, 9, 0)) == distance(grey, grey) == 1.0


def test_a_frame_in_common_is_not_enough(make_image: MakeImage) -> None:
    framed = []
    for seed in range(2):
        image = make_image(64, 64, seed).point([v // 4 + 40 for v in range(256)] * 3)
        ImageDraw.Draw(image).rectangle((0, 0, 63, 63), outline="white", width=6)
        framed.append(image)
    assert distance(*framed) > MAX_DISTANCE


def test_a_soft_shade_in_common_is_not_enough() -> None:
    shaded = [Image.radial_gradient("L").resize((64, 64)).convert("RGB") for _ in range(2)]
    ImageDraw.Draw(shaded[0]).polygon([(20, 20), (44, 24), (30, 44)], fill="red")
    ImageDraw.Draw(shaded[1]).ellipse((24, 20, 40, 46), fill="yellow")
    assert distance(*shaded) > MAX_DISTANCE


def test_colours_tell_drawings_of_one_shape_apart() -> None:
    drawn = []
    for colour in ("red", "blue"):
        image = Image.new("RGB", (32, 32), "white")
        ImageDraw.Draw(image).ellipse((6, 8, 22, 26), fill=colour)
        drawn.append(image)
    assert distance(*drawn) > MAX_DISTANCE


def test_small_pictures_must_agree_better() -> None:
    areas = np.array([1, 8 * 8, 512, 32 * 32, 33 * 32, 10**6])
    expected = [MAX_DISTANCE * share for share in (1 / 1024, 1 / 16, 1 / 2, 1, 1, 1)]
    assert largest_distance(areas).tolist() == pytest.approx(expected)
