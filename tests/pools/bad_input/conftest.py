from __future__ import annotations

from pathlib import Path

import pytest

from tests.pools.tar_makers import noise


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pool of one good image in each of two classes."""
    for seed, folder in enumerate(["cat", "dog"]):
        (tmp_path / "pool" / folder).mkdir(parents=True)
        (tmp_path / "pool" / folder / "good.png").write_bytes(noise(seed))
    return tmp_path / "pool"
