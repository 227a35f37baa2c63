from __future__ import annotations

import hashlib
import io
import shutil
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.pools import NEAR_CONSTANT, ExcludedImage, Pool, decode_image
from semdd_lightning.pools.files import list_files
from semdd_lightning.pools.index import _first_equal, index_images
from semdd_lightning.pools.listing import FileSource, ImageSource, Listing
from semdd_lightning.pools.perceptual_hashes import perceptual_hash
from semdd_lightning.pools.strings import Strings

REGISTRY = ClassRegistry(("a", "b"), ("a", "b"))


def _save(root: Path, path: str, seed: int, spread: int = 256) -> None:
    """An image of random pixels in [0, spread)."""
    pixels = np.random.default_rng(seed).integers(0, spread, (40, 30, 3), dtype=np.uint8)
    (root / path).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(root / path)


def _index(root: Path) -> Pool:
    return index_images(list_files(root, [("a", 0), ("b", 1)]), REGISTRY)


def _messages(root: Path) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _index(root)
    return [str(warning.message) for warning in caught]


class _Contents(ImageSource):
    """Files in memory; an error stands for one that cannot be read."""

    def __init__(self, contents: Sequence[bytes | Exception]) -> None:
        self.contents = contents

    def read(self, row: int) -> bytes:
        content = self.contents[row]
        if isinstance(content, Exception):
            raise content
        return content


def _listing(contents: Sequence[bytes | Exception], labels: Sequence[int], root: Path) -> Listing:
    paths = Strings(f"{i:04d}" for i in range(len(contents)))
    stamps = np.zeros((len(contents), 3), dtype=np.int64)
    return Listing(root, paths, np.array(labels, dtype=np.int64), stamps, _Contents(contents))


def _png(number: int) -> bytes:
    image = Image.effect_noise((9, 8), 50)
    image.putpixel((0, 0), number)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_sound_pool_is_read_without_a_word(tmp_path: Path) -> None:
    for seed, path in enumerate(["a/0.png", "a/1.png", "b/0.png"]):
        _save(tmp_path, path, seed)
    assert _messages(tmp_path) == []


def test_nearly_constant_images_are_counted_and_stay(tmp_path: Path) -> None:
    for i in range(3):
        _save(tmp_path, f"a/{i}.png", seed=i)
    for i in range(2):
        _save(tmp_path, f"b/{i}.png", seed=i, spread=4)  # deviation 1.1
    _save(tmp_path, "b/9.png", seed=9, spread=8)  # deviation 2.3
    Image.new("RGB", (500, 400), (200, 30, 90)).save(tmp_path / "a/red.jpg")
    with pytest.warns(UserWarning, match=r"found 3 of 7 nearly constant .* a/red\.jpg; a generator may have"):
        pool = _index(tmp_path)
    assert len(pool) == 7
    assert pool.excluded == ()
    assert [p for p, c in zip(pool.paths, pool.traits.contrasts, strict=True) if c < NEAR_CONSTANT] == [
        "a/red.jpg",
        "b/0.png",
        "b/1.png",
    ]
    assert len(_messages(tmp_path)) == 1


def test_unusable_files_are_not_counted_as_constant(tmp_path: Path) -> None:
    for seed, path in enumerate(["a/0.png", "b/0.png"]):
        _save(tmp_path, path, seed)
    shutil.copy(tmp_path / "a/0.png", tmp_path / "a/1.png")
    (tmp_path / "b/empty.png").touch()
    assert _messages(tmp_path) == []


def test_images_in_two_classes_are_counted_and_stay(tmp_path: Path) -> None:
    for i in range(3):
        _save(tmp_path, f"a/{i}.png", seed=i)
    for i in range(2):
        _save(tmp_path, f"b/{i}.png", seed=2 - i)
    _save(tmp_path, "b/again.png", seed=2)
    _save(tmp_path, "b/other.png", seed=7)
    message = r"found 2 that stand byte for byte in several, for example a/2\.png and b/0\.png; their labels"
    with pytest.warns(UserWarning, match=message):
        pool = _index(tmp_path)
    assert pool.counts().tolist() == [3, 3]
    assert [image.path for image in pool.excluded] == ["b/again.png"]
    assert len(_messages(tmp_path)) == 1


def test_traits_are_those_of_the_files(tmp_path: Path) -> None:
    _save(tmp_path, "a/0.png", 0)
    _save(tmp_path, "b/0.png", 1, spread=90)
    Image.new("L", (7, 5)).save(tmp_path / "b/1.png")
    (tmp_path / "a/bad.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="1 of 3 nearly constant"):
        pool = _index(tmp_path)
    assert pool.traits.widths.tolist() == [30, 30, 7]
    assert pool.traits.heights.tolist() == [40, 40, 5]
    for i, path in enumerate(pool.paths):
        assert pool.read(i) == (tmp_path / path).read_bytes()
        assert pool.file(i) == tmp_path / path
        assert pool.traits.digests[i].tobytes() == hashlib.sha256(pool.read(i)).digest()
        with Image.open(tmp_path / path) as image:
            rgb = image.convert("RGB")
        expected = np.asarray(rgb, dtype=np.float64).reshape(-1, 3).std(axis=0).max()
        assert pool.traits.contrasts[i] == pytest.approx(expected)
        assert int(pool.traits.perceptual_hashes[i]) == perceptual_hash(rgb)


def test_every_kind_of_unusable_image_is_a_row_with_its_reason(tmp_path: Path) -> None:
    good = _png(0)
    contents: list[bytes | Exception] = [
        good,
        b"",
        b"<html></html>",
        good[: len(good) // 2],
        PermissionError(13, "Permission denied", "/a/path"),
        OSError("a socket hung up"),
        good,
    ]
    listing = replace(_listing(contents, [0] * 7, tmp_path), problems={0: "unreadable: no"})
    pool = index_images(listing, REGISTRY)
    reasons = {image.path: image.reason for image in pool.excluded}
    assert pool.paths == ["0006"]
    assert reasons.pop("0003").startswith("unreadable: ")
    assert reasons == {
        "0000": "unreadable: no",
        "0001": "unreadable: empty file",
        "0002": "unreadable: no known image format",
        "0004": "unreadable: Permission denied",
        "0005": "unreadable: a socket hung up",
    }


def test_an_image_too_large_for_the_memory_does_not_end_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(content: bytes) -> Image.Image:
        if content == b"large":
            raise MemoryError
        return decode_image(content)

    monkeypatch.setattr("semdd_lightning.pools.index.decode_image", decode)
    pool = index_images(_listing([b"large", _png(1)], [0, 0], tmp_path), REGISTRY)
    assert [image.reason for image in pool.excluded] == ["unreadable: not enough memory to decode it"]


def test_a_bomb_is_a_row_and_no_python_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(tmp_path, "a/0.png", 0)
    (tmp_path / "b").mkdir()
    Image.effect_noise((50, 40), 50).save(tmp_path / "b/1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_500)  # 1,200 pixels fit, PIL would let 2,000 pass
    assert _messages(tmp_path) == []
    (excluded,) = _index(tmp_path).excluded
    assert excluded.path == "b/1.png"
    assert "Image size (2000 pixels) exceeds limit of 1500 pixels" in excluded.reason


def test_nothing_usable(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=r"found none among 1 files \(0000: unreadable: empty file\)"):
        index_images(_listing([b""], [0], tmp_path), REGISTRY)
    with pytest.raises(PoolError, match=r"found none among 0 files \(there are no image files\)"):
        index_images(_listing([], [], tmp_path), REGISTRY)


PICTURES = [_png(number) for number in range(4)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=12))
def test_duplicates_are_those_of_a_slow_reference(images: list[tuple[int, int]]) -> None:
    contents = [*PICTURES, b"no image"]
    listing = _listing([contents[i] for i, _ in images], [label for _, label in images], Path("/nowhere"))
    kept: dict[tuple[bytes, int], str] = {}
    excluded = []
    for row, (i, label) in enumerate(images):
        path = f"{row:04d}"
        if i == 4:
            excluded.append(ExcludedImage(path, label, "unreadable: no known image format"))
        elif (contents[i], label) in kept:
            excluded.append(ExcludedImage(path, label, f"duplicate of {kept[contents[i], label]}"))
        else:
            kept[contents[i], label] = path
    if not kept:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pool = index_images(listing, REGISTRY)
    assert pool.paths == list(kept.values())
    assert pool.labels.tolist() == [label for _, label in kept]
    assert pool.excluded == excluded
    lines = "".join(f"{path}\t{hashlib.sha256(c).hexdigest()}\n" for (c, _), path in kept.items())
    assert pool.fingerprint == hashlib.sha256(lines.encode()).hexdigest()


DIGESTS = st.tuples(st.integers(0, 31), st.integers(0, 2))  # one byte of 32, and what it is


@given(st.lists(st.tuples(DIGESTS, st.integers(0, 2)), max_size=30), st.booleans())
def test_first_equal_is_that_of_a_dictionary(
    images: list[tuple[tuple[int, int], int]], by_class: bool
) -> None:
    digests = np.zeros((len(images), 32), dtype=np.uint8)
    for row, ((place, value), _) in enumerate(images):
        digests[row, place] = value
    labels = np.array([label for _, label in images], dtype=np.int64)
    first: dict[object, int] = {}
    keys = [(digests[row].tobytes(), label if by_class else 0) for row, (_, label) in enumerate(images)]
    expected = [first.setdefault(key, row) for row, key in enumerate(keys)]
    assert _first_equal(digests, labels if by_class else None).tolist() == expected


def test_several_threads_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(5):
        _save(tmp_path, f"a/{i}.png", seed=i)
    _save(tmp_path, "b/0.png", seed=5)
    monkeypatch.setattr("semdd_lightning.pools.index._BATCH", 1)
    meeting = threading.Barrier(2, timeout=10)  # one alone would wait for ever
    read = FileSource.read

    def read_together(source: FileSource, row: int) -> bytes:
        meeting.wait()
        return read(source, row)

    monkeypatch.setattr(FileSource, "read", read_together)
    assert len(_index(tmp_path)) == 6
