from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools import Pool


@pytest.fixture
def make_pool(tmp_path: Path, make_image: Callable[[int, int, int], Image.Image]) -> Callable[..., Pool]:
    def write_pool(num_images: int, names: tuple[str, ...] = ("cat", "dog")) -> Pool:
        root = tmp_path / "pool"
        paths: list[str] = []
        for i in range(num_images):
            path = root / names[i % len(names)] / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            make_image(30 + i % 5, 40, i).save(path)
            paths.append(path.relative_to(root).as_posix())
        paths.sort()
        return Pool(
            root=root,
            paths=tuple(paths),
            labels=np.array([names.index(p.split("/")[0]) for p in paths], dtype=np.int64),
            registry=ClassRegistry(names=names, folders=names),
            excluded=(),
            fingerprint=hashlib.sha256(repr((paths, num_images)).encode()).hexdigest(),
        )

    return write_pool
