from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools.index import index_images

REGISTRY = ClassRegistry(("a", "b"), ("a", "b"))


def _save(root: Path, path: str, seed: int, spread: int = 256) -> tuple[str, int]:
    """An image of random pixels in [0, spread), and its entry in a listing."""
    pixels = np.random.default_rng(seed).integers(0, spread, (40, 30, 3), dtype=np.uint8)
    (root / path).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(root / path)
    return path, REGISTRY.folders.index(path[0])


def _messages(root: Path, files: list[tuple[str, int]]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        index_images(root, files, REGISTRY)
    return [str(warning.message) for warning in caught]


def test_a_sound_pool_is_read_without_a_word(tmp_path: Path) -> None:
    files = [_save(tmp_path, path, seed) for seed, path in enumerate(["a/0.png", "a/1.png", "b/0.png"])]
    assert _messages(tmp_path, files) == []


def test_nearly_constant_images_are_counted_and_stay(tmp_path: Path) -> None:
    files = [_save(tmp_path, f"a/{i}.png", seed=i) for i in range(3)]
    files += [_save(tmp_path, f"b/{i}.png", seed=i, spread=4) for i in range(2)]  # deviation 1.1
    files += [_save(tmp_path, "b/9.png", seed=9, spread=8)]  # deviation 2.3
    Image.new("RGB", (500, 400), (200, 30, 90)).save(tmp_path / "a/red.jpg")
    files.append(("a/red.jpg", 0))
    with pytest.warns(UserWarning, match=r"found 3 of 7 nearly constant .* a/red\.jpg; a generator may have"):
        pool = index_images(tmp_path, files, REGISTRY)
    assert len(pool) == 7
    assert pool.excluded == ()
    assert _messages(tmp_path, files) == _messages(tmp_path, files[::-1])
    assert len(_messages(tmp_path, files)) == 1


def test_unusable_files_are_not_counted_as_constant(tmp_path: Path) -> None:
    files = [_save(tmp_path, "a/0.png", 0), _save(tmp_path, "a/1.png", 0), _save(tmp_path, "b/0.png", 1)]
    (tmp_path / "b/empty.png").touch()
    assert _messages(tmp_path, [*files, ("b/empty.png", 1)]) == []


def test_images_in_two_classes_are_counted_and_stay(tmp_path: Path) -> None:
    files = [_save(tmp_path, f"a/{i}.png", seed=i) for i in range(3)]
    files += [_save(tmp_path, f"b/{i}.png", seed=2 - i) for i in range(2)]
    files += [_save(tmp_path, "b/again.png", seed=2), _save(tmp_path, "b/other.png", seed=7)]
    message = r"found 2 that stand byte for byte in several, for example a/2\.png and b/0\.png; their labels"
    with pytest.warns(UserWarning, match=message):
        pool = index_images(tmp_path, files, REGISTRY)
    assert pool.counts().tolist() == [3, 3]
    assert [image.path for image in pool.excluded] == ["b/again.png"]
    assert _messages(tmp_path, files) == _messages(tmp_path, files[::-1])
    assert len(_messages(tmp_path, files)) == 1
