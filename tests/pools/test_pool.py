from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError, SelectionError, TooFewImagesError
from semdd_lightning.pools import ExcludedImage, Pool, require_images_per_class
from semdd_lightning.pools.listing import ImageSource
from semdd_lightning.pools.pool import ExcludedImages, ImageTraits, pool_fingerprint
from semdd_lightning.pools.strings import Strings


class _Numbers(ImageSource):
    """Images that are no files, and hold nothing but their row."""

    def read(self, row: int) -> bytes:
        return str(row).encode()


def _pool(*counts: int, excluded: tuple[ExcludedImage, ...] = ()) -> Pool:
    """A pool that lacks every other row of its source."""
    names = ("missile", "missile", "cat")
    paths = Strings(f"{c}/{i}.png" for c, count in enumerate(counts) for i in range(count))
    digests = np.random.default_rng(0).integers(0, 256, (len(paths), 32), dtype=np.uint8)
    numbers = np.arange(len(paths))
    sizes, hashes = numbers.astype(np.int32), numbers.astype(np.uint64)
    return Pool(
        root=Path("pool"),
        paths=paths,
        labels=np.repeat(np.arange(3), counts).astype(np.int64),
        registry=ClassRegistry(names, ("0", "1", "2")),
        excluded=excluded,
        fingerprint=pool_fingerprint(paths, digests),
        source=_Numbers(),
        rows=2 * numbers,
        traits=ImageTraits(sizes, sizes, numbers.astype(np.float32), digests, hashes),
    )


def test_images_are_read_by_their_rows() -> None:
    pool = _pool(2, 3, 0)
    assert [pool.read(i) for i in range(5)] == [b"0", b"2", b"4", b"6", b"8"]
    assert pool.file(0) is None


def test_images_are_found_by_their_paths() -> None:
    pool = _pool(2, 3, 1)
    assert [pool.find(path) for path in pool.paths] == list(range(6))
    for path in ("", "0/00.png", "1", "3/0.png"):
        with pytest.raises(
            PoolError, match=rf"usable image {path} in pool, found none; the pool has changed"
        ):
            pool.find(path)


def test_some_images_make_a_pool() -> None:
    pool = _pool(2, 3, 1, excluded=(ExcludedImage("0/x.png", 0, "unreadable: empty file"),))
    part = pool.take(np.array([0, 3, 5]))
    assert part.paths == ["0/0.png", "1/1.png", "2/0.png"]
    assert part.labels.tolist() == [0, 1, 2]
    assert [part.read(i) for i in range(3)] == [b"0", b"6", b"10"]
    assert part.traits.widths.tolist() == part.traits.perceptual_hashes.tolist() == [0, 3, 5]
    assert np.array_equal(part.traits.digests, pool.traits.digests[[0, 3, 5]])
    assert part.excluded == pool.excluded
    assert part.fingerprint != pool.fingerprint
    assert pool.take(np.arange(6)).fingerprint == pool.fingerprint


def test_the_fingerprint_is_that_of_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = _pool(4, 3, 4)
    monkeypatch.setattr("semdd_lightning.pools.pool._BLOCK", 4)
    lines = [f"{p}\t{d.tobytes().hex()}\n" for p, d in zip(pool.paths, pool.traits.digests, strict=True)]
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert pool_fingerprint(pool.paths, pool.traits.digests) == pool.fingerprint == expected


def test_counts_include_classes_without_images() -> None:
    assert _pool(2, 3, 0).counts().tolist() == [2, 3, 0]


def test_every_short_class_is_named_with_numbers() -> None:
    excluded = tuple(ExcludedImage(f"2/{i}.png", 2, "unreadable: empty file") for i in range(4))
    with pytest.raises(TooFewImagesError, match="fewer in 2 of 3 classes") as error:
        require_images_per_class(_pool(5, 2, 0, excluded=excluded), 3)
    message = str(error.value)
    assert "'missile' (folder '1'): needed 3, found 2 usable (0 excluded" in message
    assert "'cat' (folder '2'): needed 3, found 0 usable (4 excluded" in message
    assert "folder '0'" not in message


def test_a_class_used_up_is_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"Nothing was chosen in 1 of 3 classes.* 2 usable.*'1'\)\.$"):
        require_images_per_class(_pool(5, 2, 3), 2)


def test_a_budget_with_room_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        require_images_per_class(_pool(5, 2, 3), 1)


def test_ipc_below_one() -> None:
    with pytest.raises(SelectionError, match="at least 1, found 0"):
        require_images_per_class(_pool(5, 2, 3), 0)


IMAGES = tuple(ExcludedImage(f"c{i}/a.png", i, f"unreadable: {i}") for i in range(4))


def _columns(images: tuple[ExcludedImage, ...]) -> ExcludedImages:
    labels = np.array([image.class_index for image in images], dtype=np.int64)
    paths, reasons = Strings([image.path for image in images]), Strings([image.reason for image in images])
    return ExcludedImages(paths, labels, reasons)


def test_it_is_the_tuple() -> None:
    excluded = _columns(IMAGES)
    assert tuple(excluded) == IMAGES
    assert excluded == IMAGES
    assert excluded == _columns(IMAGES)
    assert (excluded[0], excluded[-1]) == (IMAGES[0], IMAGES[-1])
    assert type(excluded[1].class_index) is int
    assert excluded[1:3] == IMAGES[1:3]
    assert excluded != IMAGES[:3]
    assert excluded != _columns(IMAGES[::-1])
    assert IMAGES[2] in excluded


def test_nothing_excluded() -> None:
    assert _columns(()) == ()
    assert not _columns(())


def test_it_shows_a_few_of_its_images() -> None:
    assert "c0/a.png" in repr(_columns(IMAGES[:1]))
    assert len(repr(_columns(IMAGES * 1_000))) < 1_000
