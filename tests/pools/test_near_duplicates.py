from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.digits import digits_split
from semdd_lightning.pools.images import contrast, decode_image
from semdd_lightning.pools.listing import ImageSource
from semdd_lightning.pools.near_duplicates import MAX_DISTANCE, leaked_images, near_duplicates
from semdd_lightning.pools.perceptual_hashes import perceptual_hash
from semdd_lightning.pools.pool import ImageTraits, Pool
from semdd_lightning.pools.strings import Strings

COLUMNS = ["first", "second", "first_path", "second_path", "distance", "mirrored", "identical"]
Content = Image.Image | bytes


class Memory(ImageSource):
    """Images in memory that count how often they are read."""

    def __init__(self, contents: list[bytes]) -> None:
        self.contents = contents
        self.reads: Counter[int] = Counter()

    def read(self, row: int) -> bytes:
        self.reads[row] += 1
        if not self.contents[row]:
            msg = "gone"
            raise OSError(msg)
        return self.contents[row]


@cache
def scene(seed: int, size: int = 64) -> Image.Image:
    """A drawn picture: a shaded background with a texture, and figures of several colours before it."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((128, 128), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        left, top = generator.integers(-16, 112, 2).tolist()
        width, height = generator.integers(8, 56, 2).tolist()
        colour = tuple(generator.integers(0, 256, 3).tolist())
        figure = draw.ellipse if generator.random() < 0.5 else draw.rectangle
        figure((left, top, left + width, top + height), fill=colour)
    noise = generator.normal(0, 4, (128, 128, 3))
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)


def encoded(image: Image.Image, image_format: str = "PNG", **options: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def jpeg(quality: int) -> Callable[[Image.Image], bytes]:
    return lambda image: encoded(image, "JPEG", quality=quality)


def resized(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((round(image.width * factor), round(image.height * factor)))


def mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


ALTERATIONS: dict[str, Callable[[Image.Image], Content]] = {
    "jpeg 95": jpeg(95),
    "jpeg 75": jpeg(75),
    "jpeg 50": jpeg(50),
    "half the size": resized(0.5),
    "down and up again": lambda image: resized(2)(resized(0.5)(image)),
    "twice the size": resized(2),
    "1.4 times the size": resized(1.4),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "mirrored": mirrored,
    "mirrored jpeg 75": lambda image: jpeg(75)(mirrored(image)),
}


def make_pool(contents: Sequence[Content], labels: Sequence[int] | None = None) -> Pool:
    """A pool in memory, its traits found as the index finds them."""
    files = [content if isinstance(content, bytes) else encoded(content) for content in contents]
    images = [decode_image(file) for file in files]
    rows = np.arange(len(files))
    return Pool(
        root=Path("pool"),
        paths=Strings(f"{row:04}.png" for row in rows),
        labels=np.array(labels or [0] * len(files), dtype=np.int64),
        registry=ClassRegistry(("a", "b"), ("a", "b")),
        excluded=(),
        fingerprint="",
        source=Memory(files),
        rows=rows,
        traits=ImageTraits(
            np.array([image.width for image in images], dtype=np.int32),
            np.array([image.height for image in images], dtype=np.int32),
            np.array([contrast(image) for image in images], dtype=np.float32),
            np.array([list(hashlib.sha256(file).digest()) for file in files], dtype=np.uint8).reshape(-1, 32),
            np.array([perceptual_hash(image) for image in images], dtype=np.uint64),
        ),
    )


def found(table: pd.DataFrame) -> list[tuple[int, int]]:
    return sorted(zip(table["first"].tolist(), table["second"].tolist(), strict=True))


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_picture_is_found_and_no_other(alteration: str) -> None:
    scenes = [scene(seed) for seed in range(15)]
    altered = [ALTERATIONS[alteration](image) for image in scenes]
    table = near_duplicates(make_pool([*scenes, *altered]))
    assert found(table) == [(i, i + 15) for i in range(15)]
    assert table["mirrored"].tolist() == ["mirrored" in alteration] * 15
    assert not table["identical"].any()
    assert table["distance"].between(0, MAX_DISTANCE).all()
    assert table["distance"].is_monotonic_increasing
    assert found(leaked_images(make_pool(altered), make_pool(scenes))) == [(i, i) for i in range(15)]


def test_pictures_of_one_kind_are_not_one_picture() -> None:
    pool = make_pool([scene(seed, 32) for seed in range(150)])
    table = near_duplicates(pool)
    assert table.columns.tolist() == COLUMNS
    assert found(table) == []
    assert found(leaked_images(pool, make_pool([scene(seed, 32) for seed in range(1000, 1050)]))) == []


def test_handwritten_digits_of_one_class_are_not_one_picture() -> None:
    digits = [Image.fromarray(pixels) for pixels in digits_split("test")[0]]
    pool = make_pool(digits)
    assert len(near_duplicates(pool)) <= 4  # of 896
    assert {(i, i) for i in range(60)} <= set(found(leaked_images(make_pool(digits[:60]), pool)))
    flipped = leaked_images(make_pool([mirrored(image) for image in digits[:60]]), pool)
    assert {(i, i) for i in range(60)} <= set(found(flipped))


def test_each_image_that_adds_nothing_has_one_row() -> None:
    one, other = scene(0), scene(1)
    contents: list[Content] = [one, other, jpeg(95)(one), jpeg(94)(one), resized(2)(other), mirrored(one)]
    pool = make_pool(contents)
    table = near_duplicates(pool)
    assert sorted(table["second"].tolist()) == [2, 3, 4, 5]
    assert (table["first"] < table["second"]).all()
    kind = [0, 1, 0, 0, 1, 0]
    assert all(kind[i] == kind[j] for i, j in found(table))
    assert table["first_path"].tolist() == [pool.paths[i] for i in table["first"]]
    assert table["second_path"].tolist() == [pool.paths[i] for i in table["second"]]


def test_the_closest_of_several_is_named() -> None:
    picture = scene(3)
    coarse = jpeg(20)(picture)
    pool = make_pool([picture, coarse, jpeg(90)(picture), coarse + b"\0"])
    assert found(near_duplicates(pool)) == [(0, 1), (0, 2), (1, 3)]


def test_same_bytes_are_said_to_be_identical() -> None:
    file = encoded(scene(4))
    table = near_duplicates(make_pool([file, scene(5), file, file], labels=[0, 0, 1, 1]))
    assert found(table) == [(0, 2), (0, 3)]
    assert table["identical"].all()
    assert (table["distance"] == 0).all()
    leaked = leaked_images(make_pool([scene(5), file]), make_pool([file, scene(6)]))
    assert leaked.drop(columns=["first_path", "second_path"]).to_dict("records") == [
        {"first": 1, "second": 0, "distance": 0.0, "mirrored": False, "identical": True}
    ]


def test_pictures_that_show_nothing_count_only_where_the_bytes_are_the_same() -> None:
    flat = [encoded(Image.new("RGB", (32, 32), (200, 200, grey))) for grey in (200, 200, 201, 202)]
    pool = make_pool([*flat, scene(0, 32)])
    assert found(near_duplicates(pool)) == [(0, 1)]
    assert reads(pool) == {}
    assert found(leaked_images(make_pool(flat[2:]), make_pool(flat[:3]))) == [(0, 2)]


def test_every_image_on_both_sides_of_a_leak_is_named() -> None:
    one, other = scene(7), scene(8)
    pool = make_pool([jpeg(90)(one), scene(9), jpeg(60)(one), mirrored(other)])
    test = make_pool([scene(10), one, other, jpeg(30)(other)])
    table = leaked_images(pool, test)
    assert found(table) == [(0, 1), (2, 1), (3, 2), (3, 3)]
    assert table.loc[table["first"] == 3, "mirrored"].all()


def test_a_collapsed_class_gives_a_row_an_image() -> None:
    picture = scene(11, 16)
    pixels = np.asarray(picture).copy()
    copies = []
    for i in range(100):
        pixels[0, 0] = i
        copies.append(Image.fromarray(pixels))
    pool = make_pool([scene(12, 16), *copies])
    assert sorted(near_duplicates(pool)["second"].tolist()) == list(range(2, 101))


def test_each_image_of_a_candidate_pair_is_read_once_and_no_other() -> None:
    pictures = [scene(seed) for seed in range(20)]
    altered: list[Content] = [jpeg(80)(pictures[0]), mirrored(pictures[0]), jpeg(70)(pictures[5])]
    pool, test = make_pool([*pictures, *altered]), make_pool(altered)
    near_duplicates(pool)
    assert reads(pool) == {0: 1, 5: 1, 20: 1, 21: 1, 22: 1}
    leaked_images(pool, test)
    assert reads(pool) == {0: 2, 5: 2, 20: 2, 21: 2, 22: 2}
    assert reads(test) == {0: 1, 1: 1, 2: 1}


def reads(pool: Pool) -> Counter[int]:
    assert isinstance(pool.source, Memory)
    return pool.source.reads


def test_an_image_that_is_gone_is_named() -> None:
    pictures: list[Content] = [scene(0), jpeg(90)(scene(0))]
    pool, test = make_pool(pictures), make_pool(pictures)
    assert isinstance(test.source, Memory)
    test.source.contents[1] = b""
    with pytest.raises(PoolError, match=r"Expected 0001\.png of pool to be readable, .* found gone"):
        leaked_images(pool, test)


def test_the_table_can_be_written_as_json() -> None:
    table = near_duplicates(make_pool([scene(0), jpeg(90)(scene(0))]))
    (record,) = json.loads(json.dumps(table.to_dict("records")))
    assert list(record) == COLUMNS
    assert record["second_path"] == "0001.png"
    assert near_duplicates(make_pool([scene(0)])).to_dict("records") == []


def test_an_empty_side_has_no_pairs() -> None:
    pool = make_pool([scene(0)])
    empty = pool.take(np.zeros(0, dtype=np.int64))
    for first, second in ((pool, empty), (empty, pool), (empty, empty)):
        table = leaked_images(first, second)
        assert table.columns.tolist() == COLUMNS
        assert len(table) == len(near_duplicates(empty)) == 0
