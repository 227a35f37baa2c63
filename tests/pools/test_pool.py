from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import SelectionError, TooFewImagesError
from semdd_lightning.pools import ExcludedImage, Pool, require_images_per_class


def _pool(*counts: int, excluded: tuple[ExcludedImage, ...] = ()) -> Pool:
    names = ("missile", "missile", "cat")
    return Pool(
        root=Path("pool"),
        paths=tuple(f"{c}/{i}.png" for c, count in enumerate(counts) for i in range(count)),
        labels=np.repeat(np.arange(3), counts).astype(np.int64),
        registry=ClassRegistry(names, ("0", "1", "2")),
        excluded=excluded,
        fingerprint="",
    )


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
