from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.pools import index_cache
from semdd_lightning.pools.listing import FileSource
from tests.pools.index_cache.changing_pools import Reads, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of four images."""
    root = tmp_path / "pool"
    for seed, path in enumerate(f"{c}/{i}.bmp" for c in ("cat", "dog") for i in range(4)):
        write(root / path, seed)
    return root


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a test has just written count as written long ago."""
    monkeypatch.setattr(index_cache, "_RECENT_NS", 0)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Paths of the images that were read since the test cleared it."""
    found: Reads = []
    read = FileSource.read

    def note(source: FileSource, row: int) -> bytes:
        found.append(source.paths[row])
        return read(source, row)

    monkeypatch.setattr(FileSource, "read", note)
    return found
