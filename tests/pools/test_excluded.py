from __future__ import annotations

import numpy as np

from semdd_lightning.pools import ExcludedImage
from semdd_lightning.pools.excluded import ExcludedImages
from semdd_lightning.pools.strings import Strings

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


def test_it_shows_its_first_images() -> None:
    assert repr(_columns(IMAGES[:1])) == f"ExcludedImages({IMAGES[0]!r})"
    assert repr(_columns(IMAGES)).endswith(", ... 4 in all)")
