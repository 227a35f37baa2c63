from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from semdd_lightning.pools import ClassFolders, Pool


@pytest.fixture
def make_pool(tmp_path: Path, make_image: Callable[[int, int, int], Image.Image]) -> Callable[..., Pool]:
    def write_pool(num_images: int, names: tuple[str, ...] = ("cat", "dog")) -> Pool:
        root = tmp_path / "pool"
        for i in range(num_images):
            path = root / names[i % len(names)] / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            make_image(30 + i % 5, 40, i).save(path)
        return ClassFolders(root, class_names=names[:num_images]).read()

    return write_pool
